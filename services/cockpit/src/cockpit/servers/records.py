"""Mock game servers as cockpit's own code handles them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cockpit.game.records import GameState


@dataclass(slots=True)
class GameServer:
    """A locked row of ``cockpit_game_servers``, changed in place and then written back.

    ``session_id`` and ``conversation_id`` are set unless it is ``stopped``. ``now`` is the database's clock.
    ``game_server_id`` is Takaro's once Takaro has named it, else cockpit's own. ``connects``: Takaro is to
    know it. Only then it can be ``starting`` or ``stopping``.
    """

    user_id: str
    session_id: UUID | None
    conversation_id: UUID | None
    game_server_id: str
    state: GameState
    event_sequence: int
    next_tick_at: datetime | None
    now: datetime
    status: str
    connects: bool

    def runs_in(self, session_id: UUID) -> bool:
        """Whether it runs in this session, or starts there."""
        return self.state.running and self.session_id == session_id

    def named(self) -> str | None:
        """Its id while it runs. One that connects has none before Takaro has named it."""
        return self.game_server_id if self.status == "running" else None


@dataclass(frozen=True, slots=True)
class StoredGame:
    """A game as it is stored, not locked. ``now`` is the database's clock."""

    state: GameState
    now: datetime
