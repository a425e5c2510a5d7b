"""Sessions as cockpit's own code handles them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Session:
    """A row of ``cockpit_sessions``; ``mock_server_status`` is correct even after another writer's crash.

    ``mock_server_error``: why its status is ``error``, if cockpit knows.
    """

    id: UUID
    conversation_id: UUID
    user_id: str
    mock_server_game_server_id: str | None
    mock_server_status: str
    selected_player_id: str | None
    created_at: datetime | None
    updated_at: datetime | None
    mock_server_error: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A conversation's owner (``None``: nobody), and its session if it has one."""

    owner: str | None
    session: Session | None


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """The state of a session's mock game server. ``player_count``: how many players are online; ``reason``:
    why the status is ``error``."""

    status: str
    game_server_id: str | None
    player_count: int
    reason: str | None = None
