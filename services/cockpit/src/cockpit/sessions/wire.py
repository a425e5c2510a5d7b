"""Sessions on the wire."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path

from cockpit.sessions.records import ServerStatus, Session

SessionId = Annotated[UUID, Path()]
ConversationId = Annotated[UUID, Path()]


def session_json(session: Session) -> dict[str, Any]:
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


def status_json(status: ServerStatus) -> dict[str, Any]:
    """The status of a session's mock game server as clients know it."""
    return {
        "status": status.status,
        "gameServerId": status.game_server_id,
        "playerCount": status.player_count,
    }
