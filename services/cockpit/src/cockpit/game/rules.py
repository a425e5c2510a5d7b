"""What may happen to players: each rule takes a state and returns the next one with its events.

A rule that doesn't apply (a banned player connects, an offline one leaves) changes nothing and yields no
event. A step of several rules passes the state through ``Step``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cockpit.game.records import (
    MOST_ITEMS,
    MOST_OF_AN_ITEM,
    Ban,
    GameEvent,
    GameState,
    Item,
    Outcome,
    Player,
    Position,
)
from cockpit.game.wire import player_json, position_json


@dataclass(slots=True)
class Step:
    """A state that several rules change in turn, and the events they caused."""

    state: GameState
    events: list[GameEvent] = field(default_factory=list)

    def outcome(self, result: Any = None) -> Outcome:
        """The result of the step, with ``result`` as its answer."""
        return Outcome(self.state, result, tuple(self.events))

    def emit(self, name: str, **data: Any) -> None:
        """Add an event to those of the step."""
        self.events.append(GameEvent(name, data))


def connect(step: Step, player: Player, now: datetime) -> bool:
    """Bring ``player`` online. False if already online, or banned."""
    current = step.state.find(player.game_id) or player
    if current.online or step.state.ban_of(current.game_id, now):
        return False
    joined = replace(current, online=True)
    step.state = step.state.with_player(joined)
    step.emit("player-connected", player=player_json(joined))
    return True


def disconnect(step: Step, player: Player, reason: str | None = None) -> bool:
    """Take ``player`` offline. False if not online."""
    current = step.state.find(player.game_id) or player
    if not current.online:
        return False
    left = replace(current, online=False)
    step.state = step.state.with_player(left)
    step.emit("player-disconnected", player=player_json(left), **({"reason": reason} if reason else {}))
    return True


def connect_all(step: Step, now: datetime) -> int:
    """Connect everyone who may. Returns their number."""
    return _count(connect(step, player, now) for player in step.state.players)


def disconnect_all(step: Step, reason: str | None = None) -> int:
    """Disconnect everyone. Returns how many were online."""
    return _count(disconnect(step, player, reason) for player in step.state.players)


def ban(step: Step, player: Player, reason: str | None, expires_at: datetime | None = None) -> None:
    """Keep ``player`` out until ``expires_at`` (``None``: permanently). Replaces an earlier ban."""
    state = step.state.without_ban(player.game_id)
    step.state = replace(state, bans=(*state.bans, Ban(player.game_id, reason, expires_at)))
    disconnect(step, player, f"Banned: {reason}" if reason else "Banned")


def unban(step: Step, player: Player) -> bool:
    """Lift the ban of ``player``. False if there is none."""
    state = step.state.without_ban(player.game_id)
    lifted = len(state.bans) < len(step.state.bans)
    step.state = state
    return lifted


def kick(step: Step, player: Player, reason: str | None) -> bool:
    """Disconnect ``player``. False if not online."""
    return disconnect(step, player, f"Kicked: {reason}" if reason else "Kicked")


def say(step: Step, text: str, player: Player | None = None) -> None:
    """A line of global chat. Without ``player`` the server itself speaks."""
    speaker = {"player": player_json(player)} if player else {}
    step.emit("chat-message", **speaker, channel="global", msg=text)


def whisper(step: Step, text: str, recipient: Player) -> None:
    """A line from the server that only ``recipient`` reads."""
    step.emit("chat-message", channel="whisper", msg=text, recipient=player_json(recipient))


def kill(step: Step, player: Player) -> None:
    """``player`` kills a zombie and is killed by the next: an event each, and the server says so."""
    step.emit("entity-killed", player=player_json(player), entity="zombie", weapon="sword")
    step.emit("player-death", player=player_json(player), position=position_json(player.position))
    say(step, f"{player.name} was killed by a zombie")


def set_ping(step: Step, player: Player, milliseconds: int) -> None:
    """Change the ping that is reported for ``player``."""
    step.state = step.state.with_player(replace(player, ping=milliseconds))


def teleport(step: Step, player: Player, position: Position) -> None:
    """Move ``player``, online or not."""
    step.state = step.state.with_player(replace(player, position=position))


def give(step: Step, player: Player, item: Item) -> bool:
    """Add to the items of ``player``; pieces of one code and quality are one entry. False if there is no
    space."""
    held = {(piece.code, piece.quality): piece for piece in player.inventory}
    before = held.get((item.code, item.quality))
    if before is None and len(held) >= MOST_ITEMS:
        return False
    amount = min(item.amount + (before.amount if before else 0), MOST_OF_AN_ITEM)
    held[(item.code, item.quality)] = replace(item, amount=amount)
    step.state = step.state.with_player(replace(player, inventory=tuple(held.values())))
    return True


def _count(happened: Iterable[bool]) -> int:
    return sum(1 for one in happened if one)
