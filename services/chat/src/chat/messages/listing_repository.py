"""SQL of pages of messages. Each function runs its one statement on the caller's connection."""

from collections.abc import Sequence
from operator import attrgetter
from uuid import UUID

from chat.messages.records import ListBegun, Message
from common.json_time import SQL_TIME
from common.postgres import Connection

# The length of a text is known without reading it. That of JSON isn't, so JSON of which over 64 KiB are
# stored counts by its stored size. A page is cut where the fourth parameter's bytes are reached: nothing
# beyond it is sent.
_JSON_BYTES = """CASE WHEN {0} IS NULL THEN 0 WHEN pg_column_size({0}) > 65536 THEN pg_column_size({0})
                   ELSE octet_length({0}::text) END"""
_BYTES = f"""octet_length(content) + CASE WHEN tool_calls IS NULL AND tool_results IS NULL THEN 0
                   ELSE {_JSON_BYTES.format("tool_calls")} + {_JSON_BYTES.format("tool_results")} END"""
_COLUMNS = f"""id::text, role, content, tool_calls::text, tool_results::text, token_count, latency_ms, model,
       {SQL_TIME.format("created_at")}, sequence, feedback::text, redacted_at, incomplete"""


def _page(where: str, order: str) -> str:
    """SQL of the first $3 messages of the conversation $1 ``where`` and in the ``order`` of their sequence,
    until $4 bytes are reached."""
    return f"""
    SELECT *
    FROM (
        SELECT page.*, sum({_BYTES}) OVER (
                   ORDER BY sequence {order} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM (
            SELECT *
            FROM messages AS m
            WHERE m.conversation_id = $1 AND {where}
            ORDER BY m.sequence {order}
            LIMIT $3
        ) AS page
    ) AS measured
    WHERE coalesce(before, 0) < $4
    """  # noqa: S608 -- only constants


BEGIN_LIST = f"""
SELECT c.user_id,
       (SELECT sequence FROM messages WHERE conversation_id = $1 ORDER BY sequence DESC LIMIT 1) AS until,
       page.*
FROM conversations AS c
LEFT JOIN LATERAL (SELECT {_COLUMNS} FROM ({_page("true", "ASC")}) AS cut) AS page ON c.user_id = $2
WHERE c.id = $1
"""  # noqa: S608 -- only constants


async def begin_list(
    connection: Connection, conversation_id: UUID, user_id: str, limit: int, max_bytes: int
) -> ListBegun | None:
    """Whose a conversation is and the sequence of its last message, with its first messages as
    :func:`list_after`, if it is ``user_id``'s. None if there is no conversation."""
    rows = await connection.fetch(BEGIN_LIST, conversation_id, user_id, limit, max_bytes)
    if not rows:
        return None
    found = rows[0]
    page = [] if found[2] is None else [Message(*row[2:]) for row in rows]
    # In order already, but nothing promises it, and Postgres takes 20 times as long to make sure.
    page.sort(key=attrgetter("sequence"))
    return ListBegun(found[0], found[1] or 0, page)


LIST_AFTER = f"""
SELECT {_COLUMNS} FROM ({_page("m.sequence > $2::bigint", "ASC")}) AS cut ORDER BY sequence
"""  # noqa: S608 -- only constants


async def list_after(
    connection: Connection, conversation_id: UUID, sequence: int, limit: int, max_bytes: int
) -> list[Message]:
    """A conversation's messages after a sequence, oldest first: the first ``limit``, until ``max_bytes`` are
    reached."""
    rows = await connection.fetch(LIST_AFTER, conversation_id, sequence, limit, max_bytes)
    return [Message(*row) for row in rows]


LIST_BEFORE = f"""
SELECT {_COLUMNS} FROM ({_page("m.sequence < $2::bigint", "DESC")}) AS cut ORDER BY sequence DESC
"""  # noqa: S608 -- only constants


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


LIST_BY_IDS = f"""
SELECT {_COLUMNS}
FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) JOIN messages USING (id)
ORDER BY place
"""  # noqa: S608 -- only constants


async def list_by_ids(connection: Connection, ids: Sequence[UUID]) -> list[Message]:
    """These messages in this order."""
    return [Message(*row) for row in await connection.fetch(LIST_BY_IDS, ids)]
