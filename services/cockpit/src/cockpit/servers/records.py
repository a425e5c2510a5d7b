"""Mock game servers as cockpit's own code handles them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cockpit.game.records import GameState


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
        """Whether it runs in this session."""
        return self.state.running and self.session_id == session_id
