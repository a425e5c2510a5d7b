"""Game servers as rows and on the wire."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cockpit.game.model import GameState
from contracts.cockpit import ConsoleLine
from servicekit.answers import Body


@dataclass(slots=True)
class GameServer:
    """A locked row of ``cockpit_game_servers``, changed in place and then written back.

    ``session_id`` and ``conversation_id`` are set while it runs. ``now`` is the database's clock.
    """

    user_id: str
    session_id: UUID | None
    conversation_id: UUID | None
    game_server_id: str
    state: GameState
    event_sequence: int
    next_tick_at: datetime | None
    now: datetime

    def runs_in(self, session_id: UUID) -> bool:
        return self.state.running and self.session_id == session_id


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """``player_count``: how many are online."""

    status: str
    game_server_id: str | None
    player_count: int

    def wire(self) -> dict[str, Any]:
        return {
            "status": self.status,
            "gameServerId": self.game_server_id,
            "playerCount": self.player_count,
        }


class CommandBody(Body):
    """One console line."""

    command: ConsoleLine
