"""A busy holder keeps its lease; a dead one loses it."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from structlog.testing import capture_logs

from backbone import leases
from backbone.leases import Lease, LeaseKeeper, LeaseLost, LeaseTaken, held
from common.postgres import Pool, create_pool, transaction
from tests.support import without
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually

TTL_SECONDS = 1.2
BATCH_SECONDS = 1.8
"""A batch's transaction holds the lease for longer than it lasts, and its renewal waits for that."""
LOCK_SECONDS = 1.0
"""How long a renewal waits each time: once without success, then again until the batch commits."""


@pytest.fixture
async def pool(world: RedisWorld) -> AsyncIterator[Pool]:
    # A transaction in a test is idle meanwhile, which must not end it here.
    settings = world.settings(lease_ttl_seconds=60)
    async with await create_pool(settings, lock_timeout_seconds=LOCK_SECONDS) as pool:
        yield pool


@pytest.mark.parametrize("patient", [True, False], ids=["with", "without"])
async def test_a_holder_in_long_transactions_keeps_its_lease(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    """Without: the renewal is retried only at its next turn, and others wait in the lock queue."""
    if not patient:
        without.patient_renewal(monkeypatch)
    holders: list[tuple[str, int]] = []

    async def work(lease: Lease) -> None:
        holders.append((lease.owner, lease.epoch))
        while True:
            async with transaction(pool) as connection:
                await lease.hold(connection)
                await asyncio.sleep(BATCH_SECONDS)
            await asyncio.sleep(0.02)  # a batch is acknowledged before the next begins

    async def compete(owner: str) -> None:
        await LeaseKeeper(pool, "busy", owner, TTL_SECONDS).run(work)

    tasks = [asyncio.create_task(compete("holder"))]
    await eventually(lambda: holders)
    tasks += [asyncio.create_task(compete(f"other-{number}")) for number in range(3)]
    try:
        if patient:
            await asyncio.sleep(2 * BATCH_SECONDS + 0.2)
            assert holders == [("holder", 1)]
        else:
            await eventually(lambda: len(holders) > 1)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_lease_that_was_let_go_is_taken_over_with_the_next_epoch(pool: Pool) -> None:
    for owner, epoch in (("first", 1), ("second", 2), ("second", 3)):
        async with held(pool, "free", owner, 60) as holding:
            assert holding.lease.epoch == epoch


async def test_a_lease_is_taken_when_it_has_run_out_or_is_ones_own_and_never_else(pool: Pool) -> None:
    async with held(pool, "gone", "first", 0.01) as first:
        await first.stop_renewing()
        await asyncio.sleep(0.02)
        async with held(pool, "gone", "second", 60) as second, held(pool, "gone", "second", 60) as again:
            assert (second.lease.epoch, again.lease.epoch) == (2, 3)
            with pytest.raises(LeaseTaken):
                async with held(pool, "gone", "third", 60):
                    pass


async def test_a_renewal_that_fails_for_good_stops_the_work_and_says_why(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing further is started, or paid for, under a lease that nobody renews."""
    monkeypatch.setattr(leases, "RENEW", "SELECT epoch FROM no_such_table WHERE $1 = '' OR $2 = 0 OR $3")
    stopped = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    with pytest.raises(asyncpg.UndefinedTableError):
        async with held(pool, "failing", "owner", 0.1) as holding:
            await holding.run(work())
    assert stopped.is_set()


async def test_work_whose_lease_was_revoked_is_stopped(pool: Pool) -> None:
    async with held(pool, "revoked", "owner", 0.1) as holding:
        async with pool.acquire() as connection:
            await leases.revoke(connection, "revoked")
        with pytest.raises(LeaseLost):
            await holding.run(asyncio.Event().wait())


async def test_work_that_ends_after_its_renewal_was_stopped_gives_its_result(pool: Pool) -> None:
    async with held(pool, "last", "owner", 0.1) as holding:

        async def work() -> str:
            await holding.stop_renewing()
            return "done"

        assert await holding.run(work()) == "done"


async def test_a_keeper_never_shares_its_lease(world: RedisWorld) -> None:
    pool = await asyncpg.create_pool(world.database, min_size=1, max_size=4)
    holding: list[str] = []
    most = 0

    async def work(name: str) -> None:
        nonlocal most
        holding.append(name)
        most = max(most, len(holding))
        try:
            await asyncio.sleep(0.05)
        finally:
            holding.remove(name)

    keepers = [LeaseKeeper(pool, "x", f"owner-{i}", 3) for i in range(4)]
    tasks = [asyncio.create_task(k.run(lambda _, n=str(i): work(n))) for i, k in enumerate(keepers)]  # type: ignore[misc]
    await asyncio.sleep(1.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await pool.close()
    assert most == 1


@pytest.mark.parametrize("noticed", [True, False], ids=["with", "without"])
async def test_two_processes_of_one_name_do_not_take_the_lease_from_each_other_for_ever(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, noticed: bool
) -> None:
    """The second one takes it, as a restarted process would. The first one says so and stands by."""
    if not noticed:
        without.noticing_of_namesakes(monkeypatch)
    begun: list[str] = []

    def compete(process: str) -> asyncio.Task[None]:
        async def work(_: Lease) -> None:
            begun.append(process)
            await asyncio.Event().wait()

        return asyncio.create_task(LeaseKeeper(pool, "twins", "chat-1", TTL_SECONDS).run(work))

    with capture_logs() as logs:
        first = compete("first")
        await eventually(lambda: begun)
        second = compete("second")
        try:
            if not noticed:
                await eventually(lambda: len(begun) > 4)
                return
            await eventually(lambda: [line for line in logs if "INSTANCE_NAME" in line["event"]])
            renewed: set[object] = set()

            async def is_renewed() -> bool:
                renewed.add(await pool.fetchval("SELECT expires_at FROM leases WHERE name = 'twins'"))
                return len(renewed) > 3

            await eventually(is_renewed)
            assert begun == ["first", "second"]
            second.cancel()
            await eventually(lambda: begun == ["first", "second", "first"])
        finally:
            first.cancel()
            second.cancel()
            await asyncio.gather(first, second, return_exceptions=True)
    [line] = [line for line in logs if "INSTANCE_NAME" in line["event"]]
    assert (line["log_level"], line["instance"], line["lease"]) == ("error", "chat-1", "twins")
