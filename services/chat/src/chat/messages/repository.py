"""SQL of messages. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chat.messages.records import Message, NewMessage, Placed, Position
from common import codec
from common.packed_ids import PackedIds
from common.postgres import Connection, Overtaken

# In the order (created_at, id), with legacy messages without a time last. The expressions keep the planner
# from walking messages_created_at_index, which has everybody's messages, to find one conversation's.
LIST_MESSAGE_IDS = """
SELECT coalesce(string_agg(uuid_send(id), '' ORDER BY undated, at, id), '') AS ids
FROM (
    SELECT id, created_at IS NULL AS undated, coalesce(created_at, '-infinity') AS at
    FROM messages
    WHERE conversation_id = $1
      AND ($3::uuid IS NULL OR (created_at IS NULL, coalesce(created_at, '-infinity'), id)
                             > ($2::timestamptz IS NULL, coalesce($2, '-infinity'), $3))
      AND ($5::uuid IS NULL OR (created_at IS NULL, coalesce(created_at, '-infinity'), id)
                            <= ($4::timestamptz IS NULL, coalesce($4, '-infinity'), $5))
    ORDER BY undated, at, id
    LIMIT $6
) AS wanted
"""


async def list_message_ids(
    connection: Connection,
    conversation_id: UUID,
    limit: int,
    after: Position | None = None,
    until: Position | None = None,
) -> PackedIds:
    """The ids of a conversation's messages in order: the first ``limit`` after ``after``, up to ``until``."""
    after, until = after or Position(None, None), until or Position(None, None)
    packed = await connection.fetchval(
        LIST_MESSAGE_IDS, conversation_id, after.created_at, after.id, until.created_at, until.id, limit
    )
    return PackedIds(packed)


GET_LAST_POSITION = """
SELECT created_at, id
FROM messages
WHERE conversation_id = $1
ORDER BY created_at IS NULL DESC, coalesce(created_at, '-infinity') DESC, id DESC
LIMIT 1
"""


async def get_last_position(connection: Connection, conversation_id: UUID) -> Position | None:
    """The position of a conversation's last message."""
    row = await connection.fetchrow(GET_LAST_POSITION, conversation_id)
    return Position(*row) if row else None


# One message a step, so that messages that don't fit any more are neither read nor converted to text.
LIST_MESSAGES = """
WITH RECURSIVE page AS (
    SELECT 0 AS place, 0::bigint AS bytes, NULL::uuid AS id, NULL::uuid AS conversation_id,
           NULL::text AS role, NULL::text AS content, NULL::text AS tool_calls, NULL::text AS tool_results,
           NULL::int AS token_count, NULL::int AS latency_ms, NULL::text AS model,
           NULL::timestamptz AS created_at
    UNION ALL
    SELECT page.place + 1,
           page.bytes + octet_length(m.content) + coalesce(octet_length(m.tool_calls), 0)
                      + coalesce(octet_length(m.tool_results), 0),
           m.*
    FROM page CROSS JOIN LATERAL (
        SELECT id, conversation_id, role::text, content, tool_calls::text AS tool_calls,
               tool_results::text AS tool_results, token_count, latency_ms, model::text, created_at
        FROM messages
        WHERE id = ($1::uuid[])[page.place + 1]
        OFFSET 0
    ) AS m
    WHERE page.bytes < $2
)
SELECT id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model,
       created_at
FROM page
WHERE place > 0
ORDER BY place
"""


async def list_messages(connection: Connection, ids: Sequence[UUID], max_bytes: int) -> list[Message]:
    """The messages with these ids, in this order, until ``max_bytes`` are reached or one doesn't exist."""
    return [Message(*row) for row in await connection.fetch(LIST_MESSAGES, ids, max_bytes)]


# One round trip for any number of messages and conversations:
#   appended  leaves out ids that exist, so that every count below is right; a subquery, because a join may
#             read the whole table;
#   counted   is the one part that waits for the conversations' rows, and nothing returns to them. A statement
#             that locks a row first and changes it afterwards looks for the version that it saw before it
#             waited, and waits there for those who wait for it. The clock is read when the wait is over, so
#             each message is later than all before it. It also tells the trigger that this transaction
#             assigns created_at itself. `max(… + 0)`: a bare max() lets the planner search
#             messages_created_at_index backwards for one conversation;
#   inserted  skips an id that another transaction has stored meanwhile: then `counted` counted too many.
INSERT_MESSAGES = """
WITH appended AS MATERIALIZED (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::int[],
                $9::text[]) WITH ORDINALITY
         AS t(id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model,
              place)
    WHERE (SELECT 1 FROM messages AS m WHERE m.id = t.id) IS NULL
), counted AS (
    UPDATE conversations AS c
    SET event_sequence = c.event_sequence + a.messages,
        (last_message_at, updated_at) = (
            SELECT last, last
            FROM (SELECT a.messages * interval '1 microsecond' + greatest(clock_timestamp(), coalesce(
                c.last_message_at,
                (SELECT max(m.created_at + interval '0') FROM messages AS m WHERE m.conversation_id = c.id)
            )) AS last) AS clock
        )
    FROM (SELECT conversation_id, count(*) AS messages FROM appended GROUP BY conversation_id) AS a
    WHERE c.id = a.conversation_id AND ($10::text IS NULL OR c.user_id = $10)
      AND (SELECT set_config('takaro.message_order', 'caller', true)) = 'caller'
    RETURNING c.id, a.messages, c.event_sequence - a.messages AS sequence,
              c.last_message_at - a.messages * interval '1 microsecond' AS at
), inserted AS (
    INSERT INTO messages (id, conversation_id, role, content, tool_calls, tool_results, token_count,
                          latency_ms, model, created_at)
    SELECT a.id, a.conversation_id, a.role, a.content, a.tool_calls::jsonb, a.tool_results::jsonb,
           a.token_count, a.latency_ms, a.model,
           c.at + row_number() OVER (PARTITION BY c.id ORDER BY a.place) * interval '1 microsecond'
    FROM appended AS a JOIN counted AS c ON c.id = a.conversation_id
    ORDER BY a.place
    ON CONFLICT (id) DO NOTHING
    RETURNING id, conversation_id, created_at
)
SELECT i.id, i.conversation_id, i.created_at,
       c.sequence + row_number() OVER (PARTITION BY c.id ORDER BY i.created_at) AS sequence,
       (SELECT sum(messages) FROM counted) AS counted
FROM counted AS c LEFT JOIN inserted AS i ON i.conversation_id = c.id
"""


async def insert_messages(
    connection: Connection, messages: Sequence[NewMessage], owner: str | None = None
) -> dict[tuple[UUID, UUID], Placed]:
    """Append messages in the given order, no two with the same id. Returns what was inserted, by
    (id, conversation id).

    Left out are messages whose id exists, whose conversation doesn't, or whose conversation isn't
    ``owner``'s, if given. The conversations stay locked. Raises :class:`Overtaken` if another transaction
    stored one of the ids meanwhile.
    """
    rows = await connection.fetch(INSERT_MESSAGES, *_columns(messages), owner)
    placed = {
        (row["id"], row["conversation_id"]): Placed(row["created_at"], row["sequence"])
        for row in rows
        if row["id"] is not None
    }
    if rows and rows[0]["counted"] != len(placed):
        raise Overtaken("another transaction stored one of these messages meanwhile")
    return placed


COMPARE_MESSAGES = """
SELECT t.place,
       ROW(t.conversation_id, t.role, t.content, t.tool_calls::jsonb, t.tool_results::jsonb, t.token_count,
           t.latency_ms, t.model)
       IS NOT DISTINCT FROM
       ROW(m.conversation_id, m.role, m.content, m.tool_calls, m.tool_results, m.token_count, m.latency_ms,
           m.model) AS same
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::int[],
            $9::text[]) WITH ORDINALITY
     AS t(id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model, place)
JOIN messages AS m ON m.id = t.id
"""


async def compare_messages(connection: Connection, messages: Sequence[NewMessage]) -> dict[int, bool]:
    """For each message (by position, from 0) whose id is stored: whether the stored message is the same."""
    rows = await connection.fetch(COMPARE_MESSAGES, *_columns(messages))
    return {row["place"] - 1: row["same"] for row in rows}


def _columns(messages: Sequence[NewMessage]) -> tuple[list[Any], ...]:
    return (
        [m.id for m in messages],
        [m.conversation_id for m in messages],
        [m.role for m in messages],
        [m.content for m in messages],
        [_json(m.tool_calls) for m in messages],
        [_json(m.tool_results) for m in messages],
        [m.token_count for m in messages],
        [m.latency_ms for m in messages],
        [m.model for m in messages],
    )


def _json(value: object) -> str | None:
    return None if value is None else codec.dumps_str(value)
