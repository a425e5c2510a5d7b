"""SQL of messages. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chat.messages.records import Message, NewMessage, Placed
from common import codec
from common.postgres import Connection

LIST_MESSAGES = """
SELECT id, conversation_id, role, content, tool_calls::text, tool_results::text, token_count, latency_ms,
       model, created_at
FROM messages
WHERE conversation_id = $1
ORDER BY created_at, id
"""


async def list_messages(connection: Connection, conversation_id: UUID) -> list[Message]:
    """All messages of a conversation, in the one order in which they were accepted."""
    return [Message(*row) for row in await connection.fetch(LIST_MESSAGES, conversation_id)]


# One round trip for any number of messages and conversations:
#   locked    takes the conversations' rows, in the order of their ids, and tells the trigger that this
#             transaction gives out created_at itself (the WHERE in `started` makes sure that it is told);
#   started   reads the clock after the lock, so that each message is later than all before it. `max(… + 0)`:
#             a bare max() lets the planner search messages_created_at_index backwards for one conversation;
#   inserted  skips ids that exist, in this batch or from before;
#   counted   counts only what was inserted, so that the sequence has no gaps.
INSERT_MESSAGES = """
WITH appended AS (
    SELECT *
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::int[],
                $9::text[]) WITH ORDINALITY
         AS t(id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model,
              place)
), locked AS MATERIALIZED (
    SELECT id, last_message_at, (SELECT set_config('takaro.message_order', 'caller', true)) AS message_order
    FROM conversations
    WHERE id = ANY($2::uuid[]) AND ($10::text IS NULL OR user_id = $10)
    ORDER BY id
    FOR NO KEY UPDATE
), started AS MATERIALIZED (
    SELECT id, greatest(clock_timestamp(), coalesce(
        last_message_at,
        (SELECT max(m.created_at + interval '0') FROM messages AS m WHERE m.conversation_id = locked.id)
    )) AS at
    FROM locked
    WHERE message_order = 'caller'
), inserted AS (
    INSERT INTO messages (id, conversation_id, role, content, tool_calls, tool_results, token_count,
                          latency_ms, model, created_at)
    SELECT a.id, a.conversation_id, a.role, a.content, a.tool_calls::jsonb, a.tool_results::jsonb,
           a.token_count, a.latency_ms, a.model, s.at + a.place * interval '1 microsecond'
    FROM appended AS a JOIN started AS s ON s.id = a.conversation_id
    ORDER BY a.place
    ON CONFLICT (id) DO NOTHING
    RETURNING id, conversation_id, created_at
), counted AS (
    UPDATE conversations AS c
    SET event_sequence = c.event_sequence + i.facts, last_message_at = i.last, updated_at = i.last
    FROM (
        SELECT conversation_id, count(*) AS facts, max(created_at) AS last
        FROM inserted
        GROUP BY conversation_id
    ) AS i
    WHERE c.id = i.conversation_id
    RETURNING c.id, c.event_sequence - i.facts AS sequence
)
SELECT i.id, i.conversation_id, i.created_at,
       c.sequence + row_number() OVER (PARTITION BY c.id ORDER BY i.created_at) AS sequence
FROM inserted AS i JOIN counted AS c ON c.id = i.conversation_id
"""


async def insert_messages(
    connection: Connection, messages: Sequence[NewMessage], owner: str | None = None
) -> dict[tuple[UUID, UUID], Placed]:
    """Append messages in the given order; what was inserted, by (id, conversation id).

    Left out: an id that exists, a conversation that doesn't, and one that isn't ``owner``'s, when given.
    The conversations stay locked.
    """
    rows = await connection.fetch(INSERT_MESSAGES, *_columns(messages), owner)
    return {(row["id"], row["conversation_id"]): Placed(row["created_at"], row["sequence"]) for row in rows}


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
    """For each of ``messages`` (by position, from 0) whose id is stored: whether the same was stored."""
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
