"""A user's game server that moves while a batch of commands waits for it."""

import asyncio
from uuid import uuid4

import pytest

from cockpit.servers.use_cases import lock_batch, start_server_in
from cockpit.sessions.use_cases import session_of
from common.postgres import Overtaken, Pool, transaction
from tests.support.wait import eventually

USER = "ann"
INSERT = "INSERT INTO conversations (id, agent_id, agent_version, user_id) VALUES ($1, 'a', '1', $2)"
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


async def test_a_batch_begins_again_when_the_server_moved_to_a_conversation_that_it_has_not_locked(
    pool: Pool,
) -> None:
    """Otherwise it locks that conversation after its own, and whoever deletes both may wait for it."""
    left, reached = uuid4(), uuid4()
    for conversation_id in (left, reached):
        await pool.execute(INSERT, conversation_id, USER)
    async with transaction(pool) as connection:
        await start_server_in(connection, await session_of(connection, USER, left))

    async def lock() -> None:
        async with transaction(pool) as connection:
            await lock_batch(connection, [left], [USER])

    async def is_waiting() -> bool:
        return bool(await pool.fetchval(WAITING))

    async with transaction(pool) as connection:
        await start_server_in(connection, await session_of(connection, USER, reached))
        batch = asyncio.create_task(lock())
        await eventually(is_waiting)
    with pytest.raises(Overtaken):
        await batch
    await lock()
