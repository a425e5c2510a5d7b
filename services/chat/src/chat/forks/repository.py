"""SQL of forks. Each function runs its one statement on the caller's transaction."""

from uuid import UUID

from chat.forks.records import LastCopied, Source, UserMessage
from common.postgres import Connection

HOLD_SOURCE = """
SELECT id, agent_id, agent_version, user_id, title, provider, coalesce(metadata, '{}') AS metadata,
       coalesce(state, '{}') AS state
FROM conversations WHERE id = $1
FOR KEY SHARE
"""


async def hold_source(connection: Connection, conversation_id: UUID) -> Source:
    """A conversation, held against deletion and redactions. It can be written to meanwhile."""
    row = await connection.fetchrow(HOLD_SOURCE, conversation_id)
    assert row is not None, "its owner was looked at in this transaction"
    return Source(*row)


GET_MESSAGE = "SELECT id, sequence FROM messages WHERE id = $1 AND conversation_id = $2"


async def get_message(connection: Connection, conversation_id: UUID, message_id: UUID) -> LastCopied | None:
    """A message of this conversation."""
    row = await connection.fetchrow(GET_MESSAGE, message_id, conversation_id)
    return LastCopied(*row) if row else None


GET_LAST_MESSAGE = """
SELECT id, sequence FROM messages WHERE conversation_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT 1
"""


async def get_last_message(connection: Connection, conversation_id: UUID, before: int) -> LastCopied:
    """The last message with a sequence below ``before``."""
    row = await connection.fetchrow(GET_LAST_MESSAGE, conversation_id, before)
    return LastCopied(*row) if row else LastCopied(None, 0)


GET_LAST_USER_MESSAGE = """
SELECT id, sequence, content, redacted_at IS NOT NULL AS redacted
FROM messages WHERE conversation_id = $1 AND role = 'user'
ORDER BY sequence DESC LIMIT 1
"""


async def get_last_user_message(connection: Connection, conversation_id: UUID) -> UserMessage | None:
    """The last message of the role ``user``."""
    row = await connection.fetchrow(GET_LAST_USER_MESSAGE, conversation_id)
    return UserMessage(*row) if row else None


# Copies keep time and place, and aren't usage: so the triggers that give and count these pass over them. A
# copy's id is uuid3 of the fork's id and the message's (RFC 9562), so that a follower knows it too.
COPY_MESSAGES = """
WITH settings AS MATERIALIZED (
    SELECT set_config('takaro.message_order', 'numbered', true), set_config('takaro.usage', 'counted', true)
), copied AS (
    INSERT INTO messages (id, conversation_id, role, content, tool_calls, tool_results, token_count,
                          latency_ms, model, created_at, sequence, redacted_at,
                          incomplete)
    SELECT CAST(overlay(overlay(hash PLACING '3' FROM 13) PLACING substr(
               '89ab', (CAST(CAST('x' || substr(hash, 17, 1) AS bit(4)) AS integer) & 3) + 1, 1
           ) FROM 17) AS uuid),
           $2, role, content, tool_calls, tool_results, token_count, latency_ms, model, created_at, sequence,
           redacted_at, incomplete
    FROM (
        SELECT m.*, md5(uuid_send($2) || convert_to(m.id::text, 'UTF8')) AS hash
        FROM messages AS m
        WHERE m.conversation_id = $1 AND m.sequence > $3 AND m.sequence <= $4
          AND (SELECT count(*) FROM settings) = 1
        ORDER BY m.sequence
        LIMIT $5
    ) AS page
    RETURNING sequence
)
SELECT count(*) AS messages, coalesce(max(sequence), 0) AS last FROM copied
"""


async def copy_messages(
    connection: Connection, source_id: UUID, fork_id: UUID, after: int, through: int, limit: int
) -> tuple[int, int]:
    """Copy up to ``limit`` messages, in order. Returns their number and the sequence of the last."""
    row = await connection.fetchrow(COPY_MESSAGES, source_id, fork_id, after, through, limit)
    assert row is not None
    return row["messages"], row["last"]


MOVE_MESSAGES = """
UPDATE messages SET conversation_id = $2
WHERE conversation_id = $1 AND sequence >= $3 AND sequence < $4
RETURNING id
"""


async def move_messages(
    connection: Connection, source_id: UUID, fork_id: UUID, first: int, end: int
) -> list[UUID]:
    """Move the messages with a sequence from ``first`` to below ``end``. Returns their ids."""
    return [row["id"] for row in await connection.fetch(MOVE_MESSAGES, source_id, fork_id, first, end)]


UPDATE_COUNTERS = """
UPDATE conversations
SET message_sequence = $2, event_sequence = $3, last_message_at = (
    SELECT m.created_at FROM messages AS m WHERE m.conversation_id = $1 ORDER BY m.sequence DESC LIMIT 1
)
WHERE id = $1
"""


async def update_counters(connection: Connection, fork_id: UUID, messages: int, facts: int) -> None:
    """Let the messages and facts of a new conversation go on after those that it has."""
    await connection.execute(UPDATE_COUNTERS, fork_id, messages, facts)
