"""What cockpit answers."""

from datetime import datetime
from uuid import UUID

from takaro_agent_client.models.model import Model


class Session(Model):
    """A cockpit session: the mock game server in which an agent's work is tried."""

    id: UUID
    conversation_id: UUID
    user_id: str
    mock_server_game_server_id: str | None
    mock_server_status: str
    selected_player_id: str | None
    created_at: datetime | None
    updated_at: datetime | None


class ServerStatus(Model):
    """The status of a session's mock game server. ``reason``: why it is ``error``."""

    status: str
    game_server_id: str | None
    player_count: int
    reason: str | None = None


class CommandResult(Model):
    """What the console answered; ``success`` is false if it refused the line."""

    result: str
    success: bool


class Player(Model):
    """A player of a session."""

    id: str
    name: str
    game_id: str
    online: bool


class Players(Model):
    """The players of a session's running server, or a page of them, and which is selected. ``next_cursor``:
    of the page that follows."""

    players: list[Player]
    selected_player_id: str | None
    next_cursor: str | None = None
