"""What fails is retried, isolated or buried, and nothing else waits for it."""

import asyncio
from typing import Any

import asyncpg
import pytest
from faststream.redis.subscriber.usecases import stream_subscriber

from backbone import reader as reading
from backbone.events import RawEntry
from backbone.leases import LeaseKeeper
from backbone.redis_streams.group import Group
from tests.integration.backbone.probe import COMMANDS, Note, Probe, World
from tests.support.wait import eventually


async def test_a_failing_handler_holds_up_its_own_key_only(world: World, probe: Probe) -> None:
    probe.failing["poison"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1_000):
        for value in range(100):
            await world.note("poison" if value % 50 == 7 else f"s{value % 10}", value)
        await world.expect(effects=98, pending=2)
        del probe.failing["poison"]
        await world.expect(effects=100, pending=0)
    assert await world.effects("poison") == [7, 57]
    assert await world.dead() == []


async def test_poison_is_buried_after_a_bounded_number_of_failures(world: World, probe: Probe) -> None:
    probe.failing["poison"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=3):
        await world.note("poison", 1)
        await world.note("healthy", 2)
        await world.expect(dead=1, effects=1, pending=0)
        del probe.failing["poison"]
        await world.note("poison", 3)
        await world.expect(effects=2)
    [dead] = await world.dead()
    assert dead["dead-kind"] == "failed"
    assert dead["dead-failures"] == "3"
    assert "boom" in dead["dead-reason"]


async def test_failures_are_counted_over_restarts(world: World, probe: Probe) -> None:
    probe.failing["poison"] = ValueError("boom")
    await world.note("poison", 1)
    for attempts in (1, 2):
        async with world.running(probe, max_handler_failures=1_000, retry_backoff_max_seconds=60):
            await eventually(lambda: len(probe.attempts) >= attempts)  # noqa: B023
    async with world.running(probe, max_handler_failures=3):
        await world.expect(dead=1)


async def test_a_locked_row_is_no_failure_and_holds_up_nobody_else(world: World, probe: Probe) -> None:
    await world.execute("INSERT INTO probe_subjects (name) VALUES ('locked')")
    connection = await asyncpg.connect(world.database)
    try:
        async with world.running(probe, max_handler_failures=1):
            async with connection.transaction():
                await connection.execute("SELECT 1 FROM probe_subjects WHERE name = 'locked' FOR UPDATE")
                for value in range(20):
                    await world.note("locked" if value % 10 == 0 else f"s{value}", value)
                await world.expect(effects=18)
            await world.expect(effects=20, pending=0)
    finally:
        await connection.close()
    assert await world.effects("locked") == [0, 10]
    assert await world.dead() == []


async def test_an_outage_is_waited_for_and_blamed_on_nobody(world: World, probe: Probe) -> None:
    probe.failing["s"] = asyncpg.CannotConnectNowError("starting up")
    async with world.running(probe, max_handler_failures=1):
        await world.note("s", 1)
        await eventually(lambda: len(probe.attempts) >= 3)
        del probe.failing["s"]
        await world.expect(effects=1, pending=0)
    assert await world.dead() == []


@pytest.mark.parametrize("heals", [True, False], ids=["made again", "not made again"])
@pytest.mark.parametrize("loss", ["group", "stream"])
async def test_a_lost_group_or_stream_heals_without_a_restart(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch, loss: str, heals: bool
) -> None:
    async with world.running(probe):
        for value in range(10):
            await world.note("s", value)
        await world.expect(effects=10, facts=10)
        if not heals:
            monkeypatch.setattr(Group, "ensure", _there_already)
        if loss == "group":
            await world.redis.xgroup_destroy(COMMANDS, "probe")
        else:
            await world.redis.delete(COMMANDS)
        for value in range(10, 20):
            await world.note("s", value)
        if heals:
            await world.expect(effects=20, facts=20)
        else:
            await asyncio.sleep(1.5)  # longer than a read, and than the pause before the next attempt
    assert await world.effects() == list(range(20 if heals else 10))
    assert await world.dead() == []


@pytest.mark.parametrize("left_out", [True, False], ids=["left out", "kept"])
async def test_entries_that_were_trimmed_away_while_they_were_pending_hold_up_nobody(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch, left_out: bool
) -> None:
    """Somebody else's XTRIM. Kept: what is gone stays pending, and its group looks behind for ever."""
    if not left_out:
        monkeypatch.setattr(Group, "claim", _read_only)
    for value in range(5):
        await world.note("s", value)
    await world.redis.xgroup_create(COMMANDS, "probe", id="0")
    await world.redis.xreadgroup("probe", "dead", {COMMANDS: ">"}, count=3)
    await world.redis.xtrim(COMMANDS, maxlen=3, approximate=False)
    async with world.running(probe):
        if left_out:
            await world.expect(effects=3, facts=3, pending=0)
        else:
            await asyncio.sleep(1)
            assert await world.pending() >= 2
            return
    assert await world.effects() == [2, 3, 4]


async def _there_already(_: Group) -> bool:
    return False


async def _read_only(self: Group, _: str, entry_ids: list[str]) -> list[RawEntry]:
    return await self.fetch(entry_ids)


async def test_what_a_dead_consumer_held_is_handled_first_and_in_order(world: World, probe: Probe) -> None:
    for value in range(30):
        await world.note(f"s{value % 3}", value)
    await world.redis.xgroup_create(COMMANDS, "probe", id="0")
    for consumer, count in (("dead-1", 7), ("dead-2", 7)):
        await world.redis.xreadgroup("probe", consumer, {COMMANDS: ">"}, count=count)
    async with world.running(probe):
        await world.expect(effects=30, pending=0)
    for subject in range(3):
        assert await world.effects(f"s{subject}") == list(range(subject, 30, 3))


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "not watched"])
async def test_a_reply_lost_on_the_way_is_found_before_anything_newer_is_handled(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    """Not watched: the reader connects anew and reads on. What it lost is found two seconds later.

    FastStream's pause after an error, of a few seconds, would hide that now and then.
    """
    if not watched:
        monkeypatch.setattr(stream_subscriber, "CONSUME_ERROR_BACKOFF_SECONDS", 0.05)
        monkeypatch.setattr(reading, "_watched", lambda base, _: base)
    async with world.running(probe):
        await world.note("s", 0)
        await world.expect(effects=1)
        probe.gate.clear()  # a batch is being handled while its connection dies
        await world.note("s", 1)
        await eventually(lambda: len(probe.attempts) >= 1)
        [reader] = await world.redis.xinfo_consumers(COMMANDS, "probe")
        # The server counts these as delivered to our consumer, and we never hear of them.
        pipeline = world.redis.pipeline(transaction=True)
        for value in (2, 3):
            data = f'{{"subject": "s", "value": {value}}}'
            pipeline.xadd(COMMANDS, {"type": Note.type, "data": data})
        pipeline.xreadgroup("probe", reader["name"], {COMMANDS: ">"}, count=2)
        assert len((await pipeline.execute())[-1][0][1]) == 2
        clients: Any = await world.redis.client_list(_type="normal")
        for client in clients:
            if client["cmd"] == "xreadgroup" and client["lib-name"] == "faststream":
                await world.redis.client_kill_filter(_id=client["id"])
        for value in (4, 5):
            await world.note("s", value)
        probe.gate.set()
        if watched:
            await world.expect(effects=6, pending=0)
            assert await world.effects() == list(range(6))
        else:
            await world.expect(effects=4)
            assert await world.effects() == [0, 1, 4, 5]


async def test_one_of_two_processes_is_active_and_the_other_takes_over(world: World, probe: Probe) -> None:
    second = Probe()
    async with world.running(probe, "probe-1") as first_backbone:
        await eventually(lambda: "active" in _statuses(first_backbone))
        async with world.running(second, "probe-2") as second_backbone:
            for value in range(20):
                await world.note("s", value)
            await world.expect(effects=20)
            assert second.attempts == []
            assert _statuses(second_backbone) == ["standby"]
            for task in first_backbone._tasks:
                task.cancel()
            for value in range(20, 40):
                await world.note("s", value)
            await world.expect(effects=40, facts=40)
            assert second.attempts
    assert await world.effects() == list(range(40))


async def test_a_holder_frozen_past_its_lease_changes_nothing(world: World, probe: Probe) -> None:
    """The old holder is in the middle of a batch when the lease is taken from it."""
    probe.gate.clear()
    async with world.running(probe, "probe-1", lease_ttl_seconds=30):
        await world.note("s", 1)
        await eventually(lambda: _active_transaction(world))
        await world.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        )
        await world.execute(
            "UPDATE leases SET owner = 'other', epoch = epoch + 1 WHERE name LIKE 'consumer:%'"
        )
        probe.gate.set()
        await world.execute("SELECT pg_sleep(0.5)")
        assert await world.effects() == []


async def _active_transaction(world: World) -> bool:
    rows = await world.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'")
    return bool(rows)


def _statuses(backbone: Any) -> list[str]:
    return [consumer.status for consumer in backbone._consumers.values()]


async def test_a_lease_is_given_back_at_a_clean_stop(world: World, probe: Probe) -> None:
    async with world.running(probe, "probe-1", lease_ttl_seconds=60) as backbone:
        await eventually(lambda: "active" in _statuses(backbone))
    async with world.running(probe, "probe-2", lease_ttl_seconds=60) as backbone:
        await eventually(lambda: "active" in _statuses(backbone), timeout=5)


async def test_a_keeper_never_shares_its_lease(world: World) -> None:
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
