"""Sessions as rows and on the wire."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import StringConstraints

from contracts.cockpit import PlayerId
from servicekit.answers import Body


@dataclass(frozen=True, slots=True)
class Session:
    """A row of ``cockpit_sessions``; ``mock_server_status`` is true even after another writer's crash."""

    id: UUID
    conversation_id: UUID
    user_id: str
    mock_server_game_server_id: str | None
    mock_server_status: str
    selected_player_id: str | None
    created_at: datetime | None
    updated_at: datetime | None

    def wire(self) -> dict[str, Any]:
        return {
            "id": str(self.id),
            "conversationId": str(self.conversation_id),
            "userId": self.user_id,
            "mockServerGameServerId": self.mock_server_game_server_id,
            "mockServerStatus": self.mock_server_status,
            "selectedPlayerId": self.selected_player_id,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        }


class SelectPlayerBody(Body):
    """``playerId`` of one of the session's players, or null for none."""

    player_id: Annotated[PlayerId, StringConstraints(min_length=1)] | None
