"""The state of a mock game server, and what changes in it: plain immutable values.

Wire forms are those of Takaro's game connector: players ``{gameId, name, steamId, …}``, positions
``{x, y, z, dimension}``, items ``{code, name, amount, quality}``, bans ``{player, reason, expiresAt}``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    x: float
    y: float
    z: float
    dimension: str = "overworld"

    def wire(self) -> dict[str, Any]:
        return {"x": self.x, "y": self.y, "z": self.z, "dimension": self.dimension}


@dataclass(frozen=True, slots=True)
class Item:
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

    def wire(self) -> dict[str, Any]:
        return {
            "gameId": self.game_id,
            "name": self.name,
            "steamId": self.steam_id,
            "platformId": f"mock:{self.steam_id}",
            "ip": self.ip,
            "ping": self.ping,
        }


@dataclass(frozen=True, slots=True)
class Ban:
    game_id: str
    reason: str | None = None
    expires_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at > now


@dataclass(frozen=True, slots=True)
class GameState:
    """Everything the game knows. ``ticks`` counts the steps of the simulation, and decides the next one."""

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
        return tuple(player for player in self.players if player.online)

    def ban_of(self, game_id: str, now: datetime) -> Ban | None:
        """The ban that keeps this player out at ``now``, or ``None``."""
        return next((ban for ban in self.bans if ban.game_id == game_id and ban.holds(now)), None)

    def with_player(self, changed: Player) -> "GameState":
        players = tuple(changed if player.game_id == changed.game_id else player for player in self.players)
        return replace(self, players=players)

    def without_ban(self, game_id: str) -> "GameState":
        return replace(self, bans=tuple(ban for ban in self.bans if ban.game_id != game_id))


@dataclass(frozen=True, slots=True)
class GameEvent:
    """A ``gameEvent`` of the connector: ``log, player-connected, player-disconnected, chat-message,
    player-death`` or ``entity-killed``, and its data."""

    name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step did: the next state, the answer (JSON), and the events in order."""

    state: GameState
    result: Any = None
    events: tuple[GameEvent, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The answer of the console, success or not."""

    success: bool
    raw_result: str

    def wire(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"success": self.success, "rawResult": self.raw_result}
        if not self.success:
            answer["errorMessage"] = self.raw_result
        return answer
