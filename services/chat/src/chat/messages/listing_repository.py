"""SQL of pages of messages. Each function runs its one statement on the caller's connection."""

from uuid import UUID

from chat.messages.records import Message
from common.postgres import Connection

# One message a step, as in repository.LIST_MESSAGES: messages that don't fit any more are neither read nor
# converted to text.
_BEFORE_THE_FIRST = """0 AS place, 0::bigint AS bytes, NULL::uuid AS id, NULL::uuid AS conversation_id,
           NULL::text AS role, NULL::text AS content, NULL::text AS tool_calls, NULL::text AS tool_results,
           NULL::int AS token_count, NULL::int AS latency_ms, NULL::text AS model,
           NULL::timestamptz AS created_at, $2::bigint AS sequence"""
_NEXT = """page.place + 1,
           page.bytes + octet_length(m.content) + coalesce(octet_length(m.tool_calls), 0)
                      + coalesce(octet_length(m.tool_results), 0),
           m.*"""
_READ = """id, conversation_id, role::text, content, tool_calls::text AS tool_calls,
               tool_results::text AS tool_results, token_count, latency_ms, model::text, created_at,
               sequence"""
_COLUMNS = """id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model,
       created_at, sequence"""

LIST_AFTER = f"""
WITH RECURSIVE page AS (
    SELECT {_BEFORE_THE_FIRST}
    UNION ALL
    SELECT {_NEXT}
    FROM page CROSS JOIN LATERAL (
        SELECT {_READ} FROM messages
        WHERE conversation_id = $1 AND sequence > page.sequence
        ORDER BY sequence
        LIMIT 1
    ) AS m
    WHERE page.place < $3 AND page.bytes < $4
)
SELECT {_COLUMNS} FROM page WHERE place > 0 ORDER BY place
"""  # noqa: S608 -- a constant


async def list_after(
    connection: Connection, conversation_id: UUID, sequence: int, limit: int, max_bytes: int
) -> list[Message]:
    """A conversation's messages after a sequence, oldest first: the first ``limit``, until ``max_bytes`` are
    reached."""
    rows = await connection.fetch(LIST_AFTER, conversation_id, sequence, limit, max_bytes)
    return [Message(*row) for row in rows]


LIST_BEFORE = f"""
WITH RECURSIVE page AS (
    SELECT {_BEFORE_THE_FIRST}
    UNION ALL
    SELECT {_NEXT}
    FROM page CROSS JOIN LATERAL (
        SELECT {_READ} FROM messages
        WHERE conversation_id = $1 AND sequence < page.sequence
        ORDER BY sequence DESC
        LIMIT 1
    ) AS m
    WHERE page.place < $3 AND page.bytes < $4
)
SELECT {_COLUMNS} FROM page WHERE place > 0 ORDER BY place
"""  # noqa: S608 -- a constant


async def list_before(
    connection: Connection, conversation_id: UUID, sequence: int, limit: int, max_bytes: int
) -> list[Message]:
    """As :func:`list_after`, those before a sequence, newest first."""
    rows = await connection.fetch(LIST_BEFORE, conversation_id, sequence, limit, max_bytes)
    return [Message(*row) for row in rows]


COUNT_MESSAGES = """
SELECT count(*) FROM (SELECT FROM messages WHERE conversation_id = $1 LIMIT $2) AS counted
"""


async def count_messages(connection: Connection, conversation_id: UUID, limit: int) -> int:
    """How many messages a conversation has; counting ends at ``limit``."""
    count: int = await connection.fetchval(COUNT_MESSAGES, conversation_id, limit)
    return count
