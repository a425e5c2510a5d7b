"""SQL of messages. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from backbone import outbox
from chat.messages.appended_rows import arguments_of, columns_of
from chat.messages.appending import ALL_OR_NONE, ARRAYS, FEW_ARRAYS, NONE_MISSING, appended, appending
from chat.messages.records import Incomplete, Message, NewMessage, Placed
from common.json_time import SQL_TIME
from common.postgres import Connection
from contracts.chat import FACTS_STREAM, MessageAppended

_PLACED = f"""
, told AS ({outbox.insert_from("facts", FACTS_STREAM, MessageAppended.type)})
SELECT place, {SQL_TIME.format("created_at")} AS created_at, sequence, fact_sequence,
       {outbox.wake(FACTS_STREAM)} AS told,
       {NONE_MISSING} AS none_missing
FROM placed
"""  # noqa: S608 -- only constants

INSERT_MESSAGES = f"""
WITH appended AS MATERIALIZED ({appended(ARRAYS)}{appending()}{_PLACED}
"""

INSERT_FEW_MESSAGES = f"""
WITH appended AS MATERIALIZED ({appended(FEW_ARRAYS)}{appending()}{_PLACED}
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
    arguments = (*arguments_of(messages), lock_timeout)
    return _placed(await connection.fetch(INSERT_MESSAGES, *arguments))


FEW_MESSAGES = 50
"""For up to so many, :func:`insert_few_messages` is faster."""


async def insert_few_messages(
    connection: Connection, messages: Sequence[NewMessage], lock_timeout: str | None = None
) -> dict[int, Placed]:
    """As :func:`insert_messages`, faster for up to :data:`FEW_MESSAGES`."""
    arguments = (*arguments_of(messages), lock_timeout)
    return _placed(await connection.fetch(INSERT_FEW_MESSAGES, *arguments))


INSERT_ALL_OR_NONE = f"""
WITH appended AS MATERIALIZED ({appended(FEW_ARRAYS)}{appending(alone=True)}
, told AS ({outbox.insert_from("facts", FACTS_STREAM, MessageAppended.type)})
SELECT {SQL_TIME.format("created_at")} AS created_at, sequence, tool_calls::jsonb::text AS tool_calls,
       tool_results::jsonb::text AS tool_results, {outbox.wake(FACTS_STREAM)} AS told,
       {ALL_OR_NONE} AS all_inserted
FROM placed ORDER BY place
"""  # noqa: S608 -- only constants


async def insert_all_or_none(connection: Connection, messages: Sequence[NewMessage]) -> list[Message]:
    """As :func:`insert_few_messages`, of one conversation, and complete without a transaction: all of them,
    or none (an empty list). Nor does a turn's token count whose time is over. Raises
    ``asyncpg.DivisionByZeroError`` if only some could be inserted.
    """
    rows = await connection.fetch(INSERT_ALL_OR_NONE, *arguments_of(messages), None)
    return [
        Message(
            str(m.id),
            m.role,
            m.content,
            row["tool_calls"],
            row["tool_results"],
            m.token_count,
            m.latency_ms,
            m.model,
            row["created_at"],
            row["sequence"],
        )
        for m, row in zip(messages, rows, strict=bool(rows))
    ]


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
    rows = await connection.fetch(COMPARE_MESSAGES, *columns_of(messages))
    return {row["place"] - 1: row["same"] for row in rows}
