"""SQL of what is followed. Each function runs its one statement on the caller's connection."""

from uuid import UUID

from chat.live.records import LiveTurn, Progress
from common.postgres import Connection

GET_PROGRESS = """
SELECT c.event_sequence, t.id, t.number
FROM conversations AS c
LEFT JOIN chat_turns AS t ON t.conversation_id = c.id AND t.state IN ('running', 'awaiting')
WHERE c.id = $1
"""


async def get_progress(connection: Connection, conversation_id: UUID) -> Progress:
    """How far the conversation is; 0 if no fact was told."""
    row = await connection.fetchrow(GET_PROGRESS, conversation_id)
    if row is None:
        return Progress(0, None)
    return Progress(row[0], None if row[1] is None else LiveTurn(row[1], row[2]))
