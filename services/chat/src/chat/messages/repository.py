"""SQL of messages. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from backbone import outbox
from chat.messages.facts import appended
from chat.messages.records import Incomplete, NewMessage, Placed
from chat.usage.counting import COUNTED, count_from
from common import codec
from common.json_time import SQL_TIME
from common.postgres import Connection
from contracts.chat import FACTS_STREAM, MessageAppended

FENCE = "CASE WHEN a.fenced THEN c.turn_token_sha256 IS NOT DISTINCT FROM a.turn_sha256 ELSE true END"

# One round trip for any number of messages and conversations:
#   appended  leaves out ids that exist, so that every count below is right. A subquery, because a join may
#             read the whole table; not `IS NULL`, which the planner takes to be true of hardly any row, and
#             then compares each row with each in the joins below;
#   counted   is the one part that waits for the conversations' rows, and nothing returns to them. A statement
#             that locks a row first and changes it afterwards looks for the version that it saw before it
#             waited, and waits there for those who wait for it. The clock is read when the wait is over, so
#             each message is later than all before it. It also tells the trigger that this transaction
#             places its messages itself, and for how long to wait. `max(… + 0)`: a bare max() lets the
#             planner search messages_created_at_index backwards for one conversation. The owner stands in a
#             CASE, because the planner takes `… IS NULL OR …` to leave one conversation, and reads all for
#             each batch. In the order of the ids, as all lock them, but where the planner reads a small table
#             whole: so several conversations are locked before (a batch), or waited for only briefly (a group
#             of requests). A conversation whose turn another runtime holds is left out, unless only users
#             speak: it is compared in the row as it is locked;
#   inserted  skips an id that another transaction has stored meanwhile: then `counted` counted too many, and
#             the last line divides by zero, so that the statement fails as a whole;
#   used      counts the usage of the conversations' users;
#   facts     completes what the caller knows of each fact by the message's time and place.
_APPENDING = f"""
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
    FROM (
        SELECT conversation_id, owner, count(*) AS messages, max(turn_sha256) AS turn_sha256,
               bool_or(role <> 'user' OR turn_sha256 IS NOT NULL) AS fenced
        FROM appended
        GROUP BY conversation_id, owner ORDER BY conversation_id
    ) AS a
    WHERE c.id = a.conversation_id AND CASE WHEN a.owner IS NULL THEN true ELSE c.user_id = a.owner END
      AND {FENCE}
      AND (SELECT set_config('takaro.message_order', 'numbered', true)) = 'numbered' AND {COUNTED}
      AND (SELECT set_config('lock_timeout', coalesce($16, current_setting('lock_timeout')), true)) <> ''
    RETURNING c.id, c.user_id, c.agent_id, a.owner, a.messages, c.event_sequence - a.messages AS facts,
              c.message_sequence - a.messages AS sequence,
              c.last_message_at - a.messages * interval '1 microsecond' AS at
), placed AS MATERIALIZED (
    SELECT a.*, c.user_id, c.agent_id, c.facts + row_number() OVER by_place AS fact_sequence,
           c.at + row_number() OVER by_place * interval '1 microsecond' AS created_at,
           c.sequence + row_number() OVER by_place AS sequence
    FROM appended AS a
    JOIN counted AS c ON c.id = a.conversation_id AND c.owner IS NOT DISTINCT FROM a.owner
    WINDOW by_place AS (PARTITION BY c.id ORDER BY a.place)
), inserted AS (
    INSERT INTO messages (id, conversation_id, role, content, tool_calls, tool_results, token_count,
                          latency_ms, model, created_at, sequence)
    SELECT id, conversation_id, role, content, tool_calls::jsonb, tool_results::jsonb, token_count,
           latency_ms, model, created_at, sequence
    FROM placed
    ORDER BY place
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), used AS ({count_from("placed")}
), facts AS (
    SELECT place, conversation_id::text AS subject, fact_sequence AS sequence, traceparent, tracestate,
           baggage, fact || ',"createdAt":"' || {SQL_TIME.format("created_at")}
                || '","sequence":' || sequence || '}}' AS data
    FROM placed
), told AS ({outbox.insert_from("facts", FACTS_STREAM, MessageAppended.type)})
SELECT place, {SQL_TIME.format("created_at")} AS created_at, sequence, fact_sequence,
       {outbox.wake(FACTS_STREAM)} AS told,
       1 / (1 - least(1, (SELECT count(*) FROM placed) - (SELECT count(*) FROM inserted))) AS none_missing
FROM placed
"""  # noqa: S608 -- only constants
_ARRAYS = [
    f"${number}::{kind}[]"
    for number, kind in enumerate(["uuid", "uuid", *["text"] * 4, "int", "int", *["text"] * 7], start=1)
]


def _appended(arrays: Sequence[str]) -> str:
    return f"""
    SELECT *
    FROM unnest({", ".join(arrays)}) WITH ORDINALITY
         AS t(id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model,
              owner, turn_sha256, traceparent, tracestate, baggage, fact, place)
    WHERE coalesce((SELECT false FROM messages AS m WHERE m.id = t.id), true)
    """  # noqa: S608 -- only constants


INSERT_MESSAGES = f"""
WITH appended AS MATERIALIZED ({_appended(_ARRAYS)}{_APPENDING}
"""

INSERT_FEW_MESSAGES = f"""
WITH appended AS MATERIALIZED ({_appended([f"(SELECT {array})" for array in _ARRAYS])}{_APPENDING}
"""
"""The same, with arrays whose lengths the planner doesn't see. So it keeps one plan, the best for a few
messages, instead of making a plan for each execution, which takes as long as appending a message (measured:
0.9 instead of 1.8 ms for one message)."""


async def insert_messages(
    connection: Connection, messages: Sequence[NewMessage], lock_timeout: str | None = None
) -> dict[int, Placed]:
    """Append messages in the given order, no two with the same id, each with its fact. Returns what was
    inserted, by position.

    Left out are messages whose id exists, whose conversation doesn't, or whose conversation isn't their
    ``owner``'s, if they name one; and those of a conversation whose running turn's token all that aren't
    users' don't have. The conversations stay locked until the transaction ends; the statement is
    complete without one. ``lock_timeout`` (as ``100ms``) counts until the transaction ends. Raises
    ``asyncpg.DivisionByZeroError`` if another transaction stored one of the ids
    meanwhile.
    """
    arguments = (*_columns(messages), *_facts(messages), lock_timeout)
    return _placed(await connection.fetch(INSERT_MESSAGES, *arguments))


FEW_MESSAGES = 50
"""For up to so many, :func:`insert_few_messages` is faster."""


async def insert_few_messages(
    connection: Connection, messages: Sequence[NewMessage], lock_timeout: str | None = None
) -> dict[int, Placed]:
    """As :func:`insert_messages`, faster for up to :data:`FEW_MESSAGES`."""
    arguments = (*_columns(messages), *_facts(messages), lock_timeout)
    return _placed(await connection.fetch(INSERT_FEW_MESSAGES, *arguments))


def _facts(messages: Sequence[NewMessage]) -> tuple[list[Any], ...]:
    traces = [m.trace for m in messages]
    return (
        [m.owner for m in messages],
        [m.turn_sha256 for m in messages],
        [trace.traceparent if trace else None for trace in traces],
        [trace.tracestate if trace else None for trace in traces],
        [trace.baggage if trace else None for trace in traces],
        [appended(m) for m in messages],
    )


def _placed(rows: Sequence[asyncpg.Record]) -> dict[int, Placed]:
    return {row[0] - 1: Placed(row[1], row[2], row[3]) for row in rows}


LIST_CONVERSATIONS_OF = "SELECT id, conversation_id FROM messages WHERE id = ANY($1::uuid[])"


async def list_conversations_of(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The conversations of those of the messages that are stored."""
    return {row[0]: row[1] for row in await connection.fetch(LIST_CONVERSATIONS_OF, ids)}


MARK_INCOMPLETE = "UPDATE messages SET incomplete = $2 WHERE id = ANY($1::uuid[])"


async def mark_incomplete(connection: Connection, ids: Sequence[UUID], state: Incomplete) -> None:
    """Mark messages that this transaction has appended."""
    await connection.execute(MARK_INCOMPLETE, ids, state)


COMPARE_MESSAGES = """
SELECT t.place,
       m.redacted_at IS NOT NULL AND t.conversation_id = m.conversation_id OR
       ROW(t.conversation_id, t.role, t.content, t.tool_calls::jsonb, t.tool_results::jsonb, t.token_count,
           t.latency_ms, t.model)
       IS NOT DISTINCT FROM
       ROW(m.conversation_id, m.role, m.content, m.tool_calls, m.tool_results, m.token_count, m.latency_ms,
           m.model) AS same
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::int[],
            $9::text[]) WITH ORDINALITY
     AS t(id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model, place)
JOIN messages AS m ON m.id = t.id
FOR SHARE OF m
"""


async def compare_messages(connection: Connection, messages: Sequence[NewMessage]) -> dict[int, bool]:
    """For each message (by position, from 0) whose id is stored: whether the stored message is the same.

    One that was redacted is: what it said isn't known any more, and a repeat must not be told of again. A
    redaction waits until the transaction ends: it then finds the answer that the caller may keep in it.
    """
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
