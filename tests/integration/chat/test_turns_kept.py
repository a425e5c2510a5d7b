"""How long turns are kept, and that one which expires is interrupted by one process under its lease."""

import asyncio
from uuid import UUID, uuid4

import pytest

from backbone.leases import Lease, LeaseLost
from chat.runtimes.keeping import interrupt_all_expired, interrupt_expired, remove_old
from chat.turns import repository
from chat.turns.records import Taking
from common.postgres import Pool, transaction
from tests.integration.chat.conftest import NewConversation, facts
from tests.support.wait import eventually

AGE = "UPDATE chat_turns SET ended_at = ended_at - interval '31 days' WHERE number < $1"
EXPIRE = "UPDATE chat_turns SET expires_at = clock_timestamp() - interval '1 s'"


@pytest.fixture
async def lease(pool: Pool) -> Lease:
    """A lease that is held."""
    await pool.execute(
        "INSERT INTO leases (name, owner, epoch, expires_at) VALUES ('turns', 'me', 1, 'infinity')"
    )
    return Lease("turns", "me", 1)


async def begin(pool: Pool, conversation_id: UUID) -> None:
    """Take a turn whose time is over."""
    async with transaction(pool) as connection:
        digest = uuid4().hex
        await repository.hold_conversation(connection, conversation_id, digest)
        await repository.start_turn(connection, conversation_id, uuid4(), 0, Taking("r", digest, 30))
    await pool.execute(EXPIRE)


async def test_an_expired_turn_is_interrupted_once_and_old_ones_are_removed_but_the_newest(
    pool: Pool, conversation: NewConversation, lease: Lease
) -> None:
    conversation_id = await conversation()
    for _ in range(3):
        await begin(pool, conversation_id)
        for _ in range(2):
            await interrupt_expired(pool, lease, conversation_id)
    told = [kind for _, kind, _ in await facts(pool, conversation_id)]
    assert told == ["chat.turn.interrupted.v1"] * 3
    await pool.execute(AGE, 3)
    assert await remove_old(pool, lease, 30) == 2
    await pool.execute(AGE, 4)
    assert await remove_old(pool, lease, 30) == 0
    assert [row["number"] for row in await pool.fetch("SELECT number FROM chat_turns")] == [3]


async def test_a_process_that_lost_its_lease_interrupts_nothing(
    pool: Pool, conversation: NewConversation, lease: Lease
) -> None:
    conversation_id = await conversation()
    await begin(pool, conversation_id)
    await pool.execute("UPDATE leases SET epoch = 2")
    with pytest.raises(LeaseLost):
        await interrupt_expired(pool, lease, conversation_id)
    assert await pool.fetchval("SELECT state FROM chat_turns") == "running"


async def test_a_turn_that_cannot_be_interrupted_keeps_no_other_running(
    pool: Pool, conversation: NewConversation, lease: Lease
) -> None:
    broken, whole = await conversation(), await conversation()
    for conversation_id in (broken, whole):
        await begin(pool, conversation_id)
    await pool.execute(
        """INSERT INTO chat_turn_pieces (turn_id, first, last, total_bytes, pieces)
           SELECT id, 1, 1, 8, 'not JSON' FROM chat_turns WHERE conversation_id = $1""",
        broken,
    )
    interrupting = asyncio.create_task(interrupt_all_expired(pool, lease))
    try:

        async def is_interrupted() -> bool:
            state = await pool.fetchval("SELECT state FROM chat_turns WHERE conversation_id = $1", whole)
            return bool(state == "interrupted")

        await eventually(is_interrupted)
        assert not interrupting.done()
    finally:
        interrupting.cancel()
