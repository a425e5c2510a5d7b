"""Each message has a sequence: its place in the conversation, 1, 2, 3 …, whoever writes it."""

import asyncio
import random
from uuid import UUID, uuid4

import asyncpg
import pytest

from chat.conversations.use_cases import delete_conversation
from chat.messages.records import NewMessage, Placed
from chat.messages.use_cases import append_messages, append_user_message, list_messages
from common.errors import PermanentError
from common.postgres import Connection, Pool, transaction
from tests.integration.chat.conftest import NewConversation, node_message

# The statement of the release before this one, which knows of no sequence.
PREVIOUS_RELEASE = """
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


def _batch(conversation_id: UUID, *contents: str) -> list[NewMessage]:
    return [NewMessage(uuid4(), conversation_id, "user", content) for content in contents]


async def _append(pool: Pool, messages: list[NewMessage]) -> list[Placed | PermanentError | None]:
    async with transaction(pool) as connection:
        return await append_messages(connection, messages)


async def _append_as_before(connection: Connection, messages: list[NewMessage]) -> None:
    none = [None] * len(messages)
    ids, conversations = [m.id for m in messages], [m.conversation_id for m in messages]
    contents, roles = [m.content for m in messages], ["user"] * len(messages)
    columns = (ids, conversations, roles, contents, none, none, none, none, none)
    await connection.fetch(PREVIOUS_RELEASE, *columns, None)


async def _sequences(pool: Pool, conversation_id: UUID) -> list[int]:
    rows = await pool.fetch(
        "SELECT sequence FROM messages WHERE conversation_id = $1 ORDER BY created_at", conversation_id
    )
    return [row["sequence"] for row in rows]


@pytest.mark.parametrize("seed", [1, 2])
async def test_all_writers_at_once_count_without_a_gap(
    pool: Pool, conversation: NewConversation, seed: int
) -> None:
    """HTTP, commands, the Node application, and chat of the previous release."""
    ids = [await conversation(), await conversation()]
    chance = random.Random(seed)

    async def write() -> None:
        for i in range(12):
            one = chance.choice(ids)
            way = chance.choice(("node", "http", "stream", "before"))
            if way == "http":
                await append_user_message(pool, "alice", one, str(i))
                continue
            async with transaction(pool) as connection:
                if way == "node":
                    await node_message(connection, one, str(i))
                elif way == "stream":
                    await append_messages(connection, _batch(one, *"abc"))
                else:
                    await _append_as_before(connection, _batch(one, *"abc"))

    await asyncio.gather(*(write() for _ in range(5)))
    for one in ids:
        found = await _sequences(pool, one)
        assert found == list(range(1, len(found) + 1))
        last = await pool.fetchval("SELECT message_sequence FROM conversations WHERE id = $1", one)
        assert last == len(found)


async def test_repeats_take_no_place(pool: Pool, conversation: NewConversation) -> None:
    one, other = await conversation(), await conversation()
    first, second, third = _batch(one, "1", "2", "3")
    await _append(pool, [first])
    moved = NewMessage(second.id, other, "user", "2")
    placed = await _append(pool, [first, second, second, moved, third])
    assert [p.sequence if isinstance(p, Placed) else None for p in placed] == [None, 2, None, None, 3]
    assert await _sequences(pool, one) == [1, 2, 3]
    assert await _sequences(pool, other) == []


async def test_the_place_of_a_deleted_message_stays_empty(pool: Pool, conversation: NewConversation) -> None:
    one = await conversation()
    await _append(pool, _batch(one, "1", "2", "3"))
    await pool.execute("DELETE FROM messages WHERE content IN ('2', '3')")
    async with pool.acquire() as connection:
        await node_message(connection, one, "4")
    await append_user_message(pool, "alice", one, "5")
    assert [m.sequence async for page in list_messages(pool, "alice", one) for m in page] == [1, 4, 5]


async def test_a_conversation_created_again_begins_at_1(pool: Pool, conversation: NewConversation) -> None:
    one = await conversation()
    await _append(pool, _batch(one, "1", "2"))
    await delete_conversation(pool, "alice", one)
    again = "INSERT INTO conversations (id, agent_id, agent_version, user_id) VALUES ($1, 'a', 'v', 'alice')"
    await pool.execute(again, one)
    message = await append_user_message(pool, "alice", one, "new")
    assert message.sequence == 1


async def test_a_restore_keeps_its_places_and_later_messages_follow(
    pool: Pool, conversation: NewConversation
) -> None:
    one = await conversation()
    restore = "INSERT INTO messages (conversation_id, role, content, sequence) VALUES ($1, 'user', 'x', $2)"
    for sequence in (7, 3):
        await pool.execute(restore, one, sequence)
    message = await append_user_message(pool, "alice", one, "new")
    assert message.sequence == 8
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(restore, one, 3)
