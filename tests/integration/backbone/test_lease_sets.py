"""A lease whose transaction is slow costs only itself, and an outage ends no renewal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from backbone.lease_sets import RENEW_LOCKED, RENEW_MANY, WAITING_AT_ONCE, LeaseSet
from backbone.leases import Lease
from common.postgres import Pool, create_pool, transaction
from common.supervision import stop
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually

TTL_SECONDS = 1.5
LOCK_SECONDS = 60.0
"""How long a renewal waits for a transaction: longer than each test takes."""

EXPIRY = "SELECT expires_at::text FROM leases WHERE name = $1"
WAITING = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
  AND query LIKE '%UPDATE leases SET expires_at%'
"""


@pytest.fixture
async def pool(world: RedisWorld) -> AsyncIterator[Pool]:
    # A transaction in a test is idle meanwhile, which must not end it here.
    settings = world.settings(lease_ttl_seconds=60, database_pool_size=20)
    async with await create_pool(settings, lock_timeout_seconds=LOCK_SECONDS) as pool:
        yield pool


@asynccontextmanager
async def renewing(leases: LeaseSet) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(leases.run())
    try:
        yield task
    finally:
        await stop(task, patience_seconds=5)


async def is_renewed(pool: Pool, *leases: Lease, times: int = 1) -> None:
    """Wait until each was renewed so many times from now on."""
    for lease in leases:
        for _ in range(times):
            before = await pool.fetchval(EXPIRY, lease.name)

            async def later(name: str = lease.name, before: str = before) -> bool:
                return bool(await pool.fetchval(EXPIRY, name) != before)

            await eventually(later, timeout=20)


async def waits(pool: Pool, number: int) -> list[int]:
    """The processes of Postgres in which renewals wait, once there are so many."""

    async def look() -> list[int]:
        found = [row["pid"] for row in await pool.fetch(WAITING)]
        assert len(found) == number, found
        return found or [0]

    return await eventually(look, timeout=20)


async def test_a_slow_transaction_holds_up_no_other_lease(pool: Pool) -> None:
    leases = LeaseSet(pool, "one", TTL_SECONDS)
    slow, other = await leases.acquire(["slow", "other"])
    async with renewing(leases):
        async with transaction(pool) as connection:
            await slow.hold(connection)
            await waits(pool, 1)
            await is_renewed(pool, other, times=4)
            assert leases.is_valid(other)
            assert not leases.is_valid(slow)
        await eventually(lambda: leases.is_valid(slow), timeout=20)
        await is_renewed(pool, slow, other, times=2)
    assert not slow.lost.is_set()


async def test_slow_transactions_take_only_so_many_connections(pool: Pool) -> None:
    leases = LeaseSet(pool, "one", TTL_SECONDS)
    names = [f"slow-{number}" for number in range(2 * WAITING_AT_ONCE)]
    slow = await leases.acquire(names)
    (other,) = await leases.acquire(["other"])
    async with renewing(leases):
        async with transaction(pool) as connection:
            for lease in slow:
                await lease.hold(connection)
            await waits(pool, WAITING_AT_ONCE)
            await is_renewed(pool, other, times=4)
            await waits(pool, WAITING_AT_ONCE)
        await is_renewed(pool, *slow, other, times=2)
    assert not any(lease.lost.is_set() for lease in slow)


async def test_an_outage_ends_no_renewal(pool: Pool) -> None:
    leases = LeaseSet(pool, "one", TTL_SECONDS)
    slow, other = await leases.acquire(["slow", "other"])
    async with renewing(leases) as task:
        async with transaction(pool) as connection:
            await slow.hold(connection)
            for _ in range(2):
                (waiting,) = await waits(pool, 1)
                assert await pool.fetchval("SELECT pg_terminate_backend($1)", waiting)
                await is_renewed(pool, other, times=2)
            assert not task.done()
        await is_renewed(pool, slow, other, times=2)
        assert not task.done()


async def test_a_renewal_that_waits_ends_with_the_set(pool: Pool) -> None:
    leases = LeaseSet(pool, "one", TTL_SECONDS)
    (slow,) = await leases.acquire(["slow"])
    async with transaction(pool) as connection:
        await slow.hold(connection)
        before = asyncio.all_tasks()
        async with renewing(leases):
            await waits(pool, 1)
        assert asyncio.all_tasks() == before
        await waits(pool, 0)


async def test_a_released_lease_is_not_renewed_any_more(pool: Pool) -> None:
    """By a renewal that was on its way when it was released."""
    first, second = LeaseSet(pool, "one", 60), LeaseSet(pool, "two", 60)
    (lease,) = await first.acquire(["left"])
    await first.release([lease])
    rows = await pool.fetch(RENEW_MANY, [lease.name], [lease.epoch], first._ttl)
    assert [(row["renewed"], row["mine"]) for row in rows] == [(False, False)]
    assert await pool.fetchval(RENEW_LOCKED, lease.name, lease.epoch, first._ttl) is None
    assert [taken.epoch for taken in await second.acquire(["left"])] == [lease.epoch + 1]
