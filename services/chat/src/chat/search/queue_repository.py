"""SQL of indexing messages. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from common.postgres import Connection

TAKE_QUEUED = """
DELETE FROM message_search_queue
WHERE position = ANY(ARRAY(
    SELECT position FROM message_search_queue ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED
))
RETURNING conversation_id, sequence
"""


async def take_queued(connection: Connection, limit: int) -> list[tuple[UUID, int]]:
    """Take messages out of the queue, oldest first, that no other process has taken."""
    return [(row[0], row[1]) for row in await connection.fetch(TAKE_QUEUED, limit)]


HOLD_CONVERSATIONS = "SELECT FROM conversations WHERE id = ANY($1::uuid[]) ORDER BY id FOR KEY SHARE"


async def hold_conversations(connection: Connection, ids: Sequence[UUID]) -> None:
    """Keep others from deleting these conversations, and from redacting or moving messages of theirs. They
    can be written to."""
    await connection.execute(HOLD_CONVERSATIONS, ids)


INDEX_MESSAGES = """
INSERT INTO message_search (conversation_id, sequence, user_id, created_at, words)
SELECT m.conversation_id, m.sequence, c.user_id, coalesce(m.created_at, 'epoch'),
       message_words(c.user_id, m.content)
FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::bigint[]) AS t (conversation_id, sequence)) AS queued
JOIN messages AS m USING (conversation_id, sequence)
JOIN conversations AS c ON c.id = m.conversation_id
WHERE c.user_id IS NOT NULL AND m.content <> ''
ON CONFLICT (conversation_id, sequence) DO UPDATE
SET user_id = excluded.user_id, created_at = excluded.created_at, words = excluded.words
"""


async def index_messages(connection: Connection, queued: Sequence[tuple[UUID, int]]) -> None:
    """Put those messages that still exist, and belong to somebody, into the full-text index."""
    await connection.execute(
        INDEX_MESSAGES, [conversation_id for conversation_id, _ in queued], [place for _, place in queued]
    )
