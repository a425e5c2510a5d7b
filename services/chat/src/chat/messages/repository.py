"""SQL of messages. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chat.messages.records import Message, NewMessage, Placed
from chat.usage.counting import COUNTED, count_from
from common import codec
from common.postgres import Connection, Overtaken

GET_LAST_SEQUENCE = """
SELECT sequence FROM messages WHERE conversation_id = $1 ORDER BY sequence DESC LIMIT 1
"""


async def get_last_sequence(connection: Connection, conversation_id: UUID) -> int:
    """The sequence of a conversation's last message; 0 if it has none."""
    return await connection.fetchval(GET_LAST_SEQUENCE, conversation_id) or 0


# One message a step, so that messages that don't fit any more are neither read nor converted to text.
LIST_MESSAGES = """
WITH RECURSIVE page AS (
    SELECT 0 AS place, 0::bigint AS bytes, NULL::uuid AS id, NULL::uuid AS conversation_id,
           NULL::text AS role, NULL::text AS content, NULL::text AS tool_calls, NULL::text AS tool_results,
           NULL::int AS token_count, NULL::int AS latency_ms, NULL::text AS model,
           NULL::timestamptz AS created_at, $2::bigint AS sequence
    UNION ALL
    SELECT page.place + 1,
           page.bytes + octet_length(m.content) + coalesce(octet_length(m.tool_calls), 0)
                      + coalesce(octet_length(m.tool_results), 0),
           m.*
    FROM page CROSS JOIN LATERAL (
        SELECT id, conversation_id, role::text, content, tool_calls::text AS tool_calls,
               tool_results::text AS tool_results, token_count, latency_ms, model::text, created_at, sequence
        FROM messages
        WHERE conversation_id = $1 AND sequence > page.sequence AND sequence <= $3
        ORDER BY sequence
        LIMIT 1
    ) AS m
    WHERE page.place < $4 AND page.bytes < $5
)
SELECT id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model,
       created_at, sequence
FROM page
WHERE place > 0
ORDER BY place
"""


async def list_messages(
    connection: Connection, conversation_id: UUID, after: int, until: int, limit: int, max_bytes: int
) -> list[Message]:
    """A conversation's messages in order, with a sequence over ``after`` and up to ``until``: the first
    ``limit``, until ``max_bytes`` are reached."""
    rows = await connection.fetch(LIST_MESSAGES, conversation_id, after, until, limit, max_bytes)
    return [Message(*row) for row in rows]


# One round trip for any number of messages and conversations:
#   appended  leaves out ids that exist, so that every count below is right. A subquery, because a join may
#             read the whole table; not `IS NULL`, which the planner takes to be true of hardly any row, and
#             then compares each row with each in the joins below;
#   counted   is the one part that waits for the conversations' rows, and nothing returns to them. A statement
#             that locks a row first and changes it afterwards looks for the version that it saw before it
#             waited, and waits there for those who wait for it. The clock is read when the wait is over, so
#             each message is later than all before it. It also tells the trigger that this transaction
#             places its messages itself. `max(… + 0)`: a bare max() lets the planner search
#             messages_created_at_index backwards for one conversation. The owner stands in a CASE, because
#             the planner takes `$10 IS NULL OR …` to leave one conversation, and reads all for each batch;
#   inserted  skips an id that another transaction has stored meanwhile: then `counted` counted too many;
#   used      counts the usage of the conversations' users.
INSERT_MESSAGES = f"""
WITH appended AS MATERIALIZED (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::int[],
                $9::text[]) WITH ORDINALITY
         AS t(id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model,
              place)
    WHERE coalesce((SELECT false FROM messages AS m WHERE m.id = t.id), true)
), counted AS (
    UPDATE conversations AS c
    SET event_sequence = c.event_sequence + a.messages,
        message_sequence = c.message_sequence + a.messages,
        (last_message_at, updated_at) = (
            SELECT last, last
            FROM (SELECT a.messages * interval '1 microsecond' + greatest(clock_timestamp(), coalesce(
                c.last_message_at,
                (SELECT max(m.created_at + interval '0') FROM messages AS m WHERE m.conversation_id = c.id)
            )) AS last) AS clock
        )
    FROM (SELECT conversation_id, count(*) AS messages FROM appended GROUP BY conversation_id) AS a
    WHERE c.id = a.conversation_id AND CASE WHEN $10::text IS NULL THEN true ELSE c.user_id = $10 END
      AND (SELECT set_config('takaro.message_order', 'numbered', true)) = 'numbered' AND {COUNTED}
    RETURNING c.id, c.user_id, c.agent_id, a.messages, c.event_sequence - a.messages AS facts,
              c.message_sequence - a.messages AS sequence,
              c.last_message_at - a.messages * interval '1 microsecond' AS at
), inserted AS (
    INSERT INTO messages (id, conversation_id, role, content, tool_calls, tool_results, token_count,
                          latency_ms, model, created_at, sequence)
    SELECT a.id, a.conversation_id, a.role, a.content, a.tool_calls::jsonb, a.tool_results::jsonb,
           a.token_count, a.latency_ms, a.model,
           c.at + row_number() OVER by_place * interval '1 microsecond',
           c.sequence + row_number() OVER by_place
    FROM appended AS a JOIN counted AS c ON c.id = a.conversation_id
    WINDOW by_place AS (PARTITION BY c.id ORDER BY a.place)
    ORDER BY a.place
    ON CONFLICT (id) DO NOTHING
    RETURNING id, conversation_id, created_at, sequence, model, token_count
), used AS (
    {count_from("inserted JOIN counted ON counted.id = inserted.conversation_id")}
)
SELECT i.id, i.conversation_id, i.created_at, i.sequence, c.facts + i.sequence - c.sequence AS fact_sequence,
       (SELECT sum(messages) FROM counted) AS counted
FROM counted AS c LEFT JOIN inserted AS i ON i.conversation_id = c.id
"""  # noqa: S608 - only names of ours


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
        (row["id"], row["conversation_id"]): Placed(row["created_at"], row["sequence"], row["fact_sequence"])
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
