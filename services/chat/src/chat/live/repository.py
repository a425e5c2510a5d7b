"""SQL of what is followed. Each function runs its one statement on the caller's connection."""

from uuid import UUID

from common.postgres import Connection

GET_SEQUENCE = "SELECT event_sequence FROM conversations WHERE id = $1"


async def get_sequence(connection: Connection, conversation_id: UUID) -> int:
    """The sequence of the conversation's last fact; 0 if none was told."""
    sequence: int | None = await connection.fetchval(GET_SEQUENCE, conversation_id)
    return sequence or 0
