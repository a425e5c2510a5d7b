"""The state of a mock game server, and what changes in it: plain immutable values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

MOST_OF_AN_ITEM = 1_000_000
"""Maximum pieces of one item in a pocket, so that the state stays small whatever is given."""
MOST_ITEMS = 100
"""Maximum different items in a pocket, for the same reason. Another quality is another item."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the game, in blocks; ``y`` is the height."""

    x: float
    y: float
    z: float
    dimension: str = "overworld"


@dataclass(frozen=True, slots=True)
class Item:
    """Pieces of one item in a pocket; those of another quality are another item."""

    code: str
    amount: int
    quality: str | None = None


@dataclass(frozen=True, slots=True)
class Player:
    """One of the five. ``id`` is what a session selects, ``game_id`` what the game and its console know."""

    id: str
    game_id: str
    name: str
    steam_id: str
    ip: str
    ping: int
    position: Position
    online: bool = False
    inventory: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Ban:
    """A player who may not connect until ``expires_at``; None: permanently."""

    game_id: str
    reason: str | None = None
    expires_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it has not expired at ``now``."""
        return self.expires_at is None or self.expires_at > now


@dataclass(frozen=True, slots=True)
class GameState:
    """The whole state of the game. ``ticks`` counts the steps of the simulation, and decides the next one."""

    players: tuple[Player, ...]
    running: bool = False
    bans: tuple[Ban, ...] = ()
    simulating: bool = False
    ticks: int = 0

    def find(self, reference: str) -> Player | None:
        """The player with this game id, id or name (in any case), or ``None``."""
        wanted = reference.strip().casefold()
        for player in self.players:
            if wanted in (player.game_id.casefold(), player.id.casefold(), player.name.casefold()):
                return player
        return None

    def online(self) -> tuple[Player, ...]:
        """The players who are connected, in the order of the roster."""
        return tuple(player for player in self.players if player.online)

    def ban_of(self, game_id: str, now: datetime) -> Ban | None:
        """The ban that keeps this player out at ``now``, or ``None``."""
        return next((ban for ban in self.bans if ban.game_id == game_id and ban.holds(now)), None)

    def with_player(self, changed: Player) -> "GameState":
        """The state with ``changed`` in place of the player of the same game id."""
        players = tuple(changed if player.game_id == changed.game_id else player for player in self.players)
        return replace(self, players=players)

    def without_ban(self, game_id: str) -> "GameState":
        """The state without any ban of this player, expired or not."""
        return replace(self, bans=tuple(ban for ban in self.bans if ban.game_id != game_id))


@dataclass(frozen=True, slots=True)
class GameEvent:
    """A ``gameEvent`` of the connector: ``log, player-connected, player-disconnected, chat-message,
    player-death`` or ``entity-killed``, and its data."""

    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a step: the next state, the answer (JSON), and the events in order."""

    state: GameState
    result: Any = None
    events: tuple[GameEvent, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The console's answer, whether it succeeded or not."""

    success: bool
    raw_result: str
