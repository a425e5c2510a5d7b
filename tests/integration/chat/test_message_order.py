"""A conversation's messages read back in one total order, in which they were accepted."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from chat.messages.listing_repository import list_after
from chat.messages.records import NewMessage, Placed
from chat.messages.use_cases import append_messages, append_user_message
from common.postgres import Pool, transaction
from tests.integration.chat.conftest import NewConversation, facts, node_message
from tests.support.wait import eventually

IMPORTED_MESSAGE = """
INSERT INTO messages (conversation_id, role, content, created_at) VALUES ($1, 'user', $2, $3)
"""


async def append(pool: Pool, conversation_id: UUID, *contents: str) -> list[Placed]:
    messages = [NewMessage(uuid4(), conversation_id, "user", content) for content in contents]
    async with transaction(pool) as connection:
        outcomes = await append_messages(connection, messages)
    placed = [outcome for outcome in outcomes if isinstance(outcome, Placed)]
    assert len(placed) == len(contents)
    return placed


async def read(pool: Pool, conversation_id: UUID) -> list[str]:
    async with pool.acquire() as connection:
        messages = await list_after(connection, conversation_id, 0, 10_000, 10_000_000)
        return [message.content for message in messages]


async def test_a_batch_keeps_its_order_and_follows_all_before_it(
    pool: Pool, conversation: NewConversation
) -> None:
    first, second = await conversation(), await conversation()
    messages = [NewMessage(uuid4(), (first, second)[i % 2], "user", str(i)) for i in range(100)]
    async with transaction(pool) as connection:
        await append_messages(connection, messages[:60])
    async with transaction(pool) as connection:
        await append_messages(connection, messages[60:])
    assert await read(pool, first) == [str(i) for i in range(0, 100, 2)]
    assert await read(pool, second) == [str(i) for i in range(1, 100, 2)]
    doubles = await pool.fetchval(
        "SELECT count(*) - count(DISTINCT created_at) FROM messages WHERE conversation_id = $1", first
    )
    assert doubles == 0


async def test_node_inserts_of_one_transaction_get_times_of_their_own(
    pool: Pool, conversation: NewConversation
) -> None:
    conversation_id = await conversation()
    async with transaction(pool) as connection:
        rows = [await node_message(connection, conversation_id, str(i)) for i in range(20)]
    times = [row["created_at"] for row in rows]
    assert times == sorted(set(times))
    assert await read(pool, conversation_id) == [str(i) for i in range(20)]


async def test_node_inserts_of_one_statement_keep_their_order(
    pool: Pool, conversation: NewConversation
) -> None:
    conversation_id = await conversation()
    await pool.execute(
        "INSERT INTO messages (conversation_id, role, content) SELECT $1, 'user', unnest($2::text[])",
        conversation_id,
        [str(i) for i in range(50)],
    )
    assert await read(pool, conversation_id) == [str(i) for i in range(50)]


async def test_without_the_trigger_a_node_insert_has_no_place_and_is_refused(
    pool: Pool, conversation: NewConversation
) -> None:
    conversation_id = await conversation()
    await pool.execute("ALTER TABLE messages DISABLE TRIGGER messages_order")
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await node_message(connection, conversation_id, "lost")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_mixed_writers_keep_one_total_order(
    pool: Pool, conversation: NewConversation, seed: int
) -> None:
    """Each writer sees its own messages in the order it wrote them, and all readers always agree."""
    conversation_id = await conversation()
    chance = random.Random(seed)
    ways = {name: [chance.choice(("node", "http", "stream")) for _ in range(25)] for name in "abcd"}

    async def write(name: str) -> None:
        for i, way in enumerate(ways[name]):
            if way == "node":
                async with transaction(pool) as connection:
                    await node_message(connection, conversation_id, f"{name}{i}")
            elif way == "http":
                await append_user_message(pool, "alice", conversation_id, f"{name}{i}")
            else:
                await append(pool, conversation_id, f"{name}{i}")

    await asyncio.gather(*(write(name) for name in ways))
    contents = await read(pool, conversation_id)
    assert len(contents) == 100
    for name in ways:
        assert [c for c in contents if c[0] == name] == [f"{name}{i}" for i in range(25)]
    ties = await pool.fetchval(
        "SELECT count(*) - count(DISTINCT created_at) FROM messages WHERE conversation_id = $1",
        conversation_id,
    )
    assert ties == 0


async def test_a_transaction_that_began_early_and_wrote_late_comes_late(
    pool: Pool, conversation: NewConversation
) -> None:
    conversation_id = await conversation()
    async with transaction(pool) as early:
        await early.fetchval("SELECT now()")
        await append(pool, conversation_id, "first")
        await node_message(early, conversation_id, "second")
    await append(pool, conversation_id, "third")
    assert await read(pool, conversation_id) == ["first", "second", "third"]


async def test_a_writer_waits_for_the_one_before_it(pool: Pool, conversation: NewConversation) -> None:
    """The clock is read under the row lock: the first to commit comes first."""
    conversation_id = await conversation()
    async with transaction(pool) as holder:
        await node_message(holder, conversation_id, "first")
        waiting = asyncio.create_task(append(pool, conversation_id, "second"))
        await eventually(lambda: _somebody_waits(pool))
    await waiting
    assert await read(pool, conversation_id) == ["first", "second"]


async def test_messages_stand_in_the_order_of_their_facts(pool: Pool, conversation: NewConversation) -> None:
    """The second writer begins between two messages of the first, and its facts are published last."""
    conversation_id = await conversation()
    async with transaction(pool) as first:
        await append_messages(first, [NewMessage(uuid4(), conversation_id, "user", "1")])
        waiting = asyncio.create_task(append(pool, conversation_id, "3"))
        await eventually(lambda: _somebody_waits(pool))
        await append_messages(first, [NewMessage(uuid4(), conversation_id, "user", "2")])
    await waiting
    told = [(data["content"], data["sequence"]) for _, _, data in await facts(pool, conversation_id)]
    assert told == [("1", 1), ("2", 2), ("3", 3)]
    assert await read(pool, conversation_id) == ["1", "2", "3"]
    times = await pool.fetch("SELECT content FROM messages ORDER BY created_at")
    assert [row["content"] for row in times] == ["1", "2", "3"]


async def _somebody_waits(pool: Pool) -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    return bool(await pool.fetchval(waiting))


async def test_messages_stay_later_than_a_clock_that_jumped_back(
    pool: Pool, conversation: NewConversation
) -> None:
    conversation_id = await conversation()
    ahead = datetime.now(UTC) + timedelta(hours=1)
    await pool.execute(
        IMPORTED_MESSAGE,
        conversation_id,
        "ahead",
        ahead,
    )
    await append(pool, conversation_id, "ours")
    async with pool.acquire() as connection:
        await node_message(connection, conversation_id, "node's")
    assert await read(pool, conversation_id) == ["ahead", "ours", "node's"]


async def test_messages_from_before_the_migration_are_followed_too(
    pool: Pool, conversation: NewConversation
) -> None:
    """A conversation that was last written before revision 014 has no last_message_at."""
    first, second = await conversation(), await conversation()
    ahead = datetime.now(UTC) + timedelta(minutes=5)
    for conversation_id in (first, second):
        await pool.execute(
            IMPORTED_MESSAGE,
            conversation_id,
            "old",
            ahead,
        )
    await pool.execute("UPDATE conversations SET last_message_at = NULL")
    await append(pool, first, "new")
    async with pool.acquire() as connection:
        await node_message(connection, second, "new")
    assert await read(pool, first) == ["old", "new"]
    assert await read(pool, second) == ["old", "new"]


async def test_a_message_for_no_conversation_is_refused_by_the_foreign_key(pool: Pool) -> None:
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await node_message(connection, uuid4(), "lost")
