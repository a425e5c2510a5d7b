"""Sessions on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import Field
from typing_extensions import TypedDict

from cockpit.sessions.records import ServerStatus, Session
from servicekit.forms import Uuid

SessionId = Annotated[UUID, Path()]
NO_CONVERSATION = {403: "It is another user's conversation.", 404: "There is no such conversation."}
NOT_FOUND = {403: "It is another user's session.", 404: "There is no such session."}
ConversationId = Annotated[UUID, Path()]


class SessionJson(TypedDict):
    """A session: the mock game server in which an agent's work is tried."""

    id: Uuid
    conversationId: Uuid
    userId: str
    mockServerGameServerId: str | None
    mockServerStatus: Annotated[str, Field(examples=["stopped", "running"])]
    selectedPlayerId: str | None
    createdAt: datetime | None
    updatedAt: datetime | None


class ServerStatusJson(TypedDict):
    """The status of a session's mock game server: ``stopped``, ``starting``, ``running``, ``stopping`` or
    ``error``. ``playerCount`` players are online; ``reason`` says why it is an ``error``."""

    status: Annotated[str, Field(examples=["stopped", "running"])]
    gameServerId: str | None
    playerCount: int
    reason: str | None


def session_json(session: Session) -> SessionJson:
    """A session as clients know it."""
    return {
        "id": str(session.id),
        "conversationId": str(session.conversation_id),
        "userId": session.user_id,
        "mockServerGameServerId": session.mock_server_game_server_id,
        "mockServerStatus": session.mock_server_status,
        "selectedPlayerId": session.selected_player_id,
        "createdAt": session.created_at,
        "updatedAt": session.updated_at,
    }


def status_json(status: ServerStatus) -> ServerStatusJson:
    """The status of a session's mock game server as clients know it."""
    return {
        "status": status.status,
        "gameServerId": status.game_server_id,
        "playerCount": status.player_count,
        "reason": status.reason,
    }
