"""What only Kafka does: offsets, parked keys, assignments, fences."""

import asyncio
from typing import Any

import asyncpg
import pytest

from backbone.backbone import Backbone
from backbone.kafka import consumer
from backbone.kafka.fencing import PartitionFence
from backbone.leases import LeaseLost
from takaro_local.server import Server
from tests.support import without
from tests.support.kafka_world import KafkaWorld
from tests.support.probe import Probe
from tests.support.wait import eventually
from tests.support.world import status, until


async def test_partitions_are_shared_and_taken_over_in_order(world: KafkaWorld, probe: Probe) -> None:
    second = Probe()
    async with world.running(probe, "probe-1") as first_backbone:
        await until(first_backbone, "active")
        async with world.running(second, "probe-2"):
            for value in range(90):
                await world.note(f"s{value % 9}", value)
                if value == 45:
                    await eventually(lambda: bool(second.attempts) or _held(world, "probe-2"))
            await world.expect(effects=90, facts=90, timeout=30)
        for value in range(90, 120):
            await world.note(f"s{value % 9}", value)
        await world.expect(effects=120, facts=120, pending=0, timeout=30)
    for subject in range(9):
        assert await world.effects(f"s{subject}") == list(range(subject, 120, 9))
    assert await world.dead() == []


async def _held(world: KafkaWorld, owner: str) -> bool:
    rows = await world.execute("SELECT 1 FROM leases WHERE name LIKE 'consumer:%' AND owner = $1", owner)
    return bool(rows)


async def test_a_member_that_lost_a_partition_changes_nothing(world: KafkaWorld, probe: Probe) -> None:
    """A process is in the middle of a batch when another one takes the partition's row."""
    probe.gate.clear()
    async with world.running(probe, "probe-1", lease_ttl_seconds=30) as backbone:
        await until(backbone, "active")
        await world.note("s", 1)
        await eventually(world.is_in_transaction)
        await world.steal_consumer_leases()
        lost = _fence(backbone)
        probe.gate.set()
        await eventually(lambda: lost.lost.is_set())
        assert await world.effects() == []
        # Still in the group, it takes its partitions again.
        await world.expect(effects=1)
    assert await world.effects() == [1]


async def test_a_taker_waits_for_the_transaction_of_the_holder(world: KafkaWorld, probe: Probe) -> None:
    one, two = await asyncpg.connect(world.database), await asyncpg.connect(world.database)
    try:
        old = await PartitionFence.take(one, ["p:0", "p:1"], "a")
        async with one.transaction():
            await old.hold(one)
            taking = asyncio.create_task(PartitionFence.take(two, ["p:1"], "b"))
            await eventually(lambda: _waits_for_lock(world))
            assert not taking.done()
        new = await taking
        assert new.epochs == {"p:1": 2}
        async with one.transaction():
            try:
                await old.hold(one)
            except LeaseLost:
                assert old.lost.is_set()
            else:
                raise AssertionError("the old holder still holds")
    finally:
        await one.close()
        await two.close()


async def test_ready_tells_whether_the_consumer_runs(world: KafkaWorld, probe: Probe, kafka: Server) -> None:
    async with world.running(probe) as backbone:
        assert status(backbone) == "starting"
        await until(backbone, "active")
        kafka.pause()
        try:
            await until(backbone, "starting")
        finally:
            kafka.resume()
        await until(backbone, "active", timeout=30)
        await world.note("s", 1)
        await world.expect(effects=1, facts=1)


async def test_a_service_starts_before_its_broker_and_makes_its_topics(
    database: str, redis_url: str, world: KafkaWorld, probe: Probe, kafka: Server
) -> None:
    topics = {"probe.commands", "probe.commands.dead"}

    async def gone() -> bool:
        left = topics & set(await world.admin.list_topics())
        if left:  # again: somebody who asks for a topic that is being deleted may make it anew
            await world.admin.delete_topics(list(left))
        return not left

    await eventually(gone)  # a broker says for a while that it has what was deleted
    await asyncio.sleep(1)  # and may still say so to the next who asks
    kafka.pause()
    async with world.running(probe) as backbone:
        try:
            await asyncio.sleep(0)
            assert status(backbone) == "starting"
        finally:
            kafka.resume()
        await until(backbone, "active", timeout=90)
        assert topics <= set(await world.admin.list_topics())


async def _waits_for_lock(world: KafkaWorld) -> bool:
    rows = await world.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return bool(rows)


def _fence(backbone: Backbone) -> Any:
    consumer: Any = next(iter(backbone._consumers.values()))
    return consumer._in_force().partitions.fence


async def test_a_batch_that_waits_beyond_the_poll_interval_is_handled_in_the_end(
    world: KafkaWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "MAX_POLL_MILLISECONDS", 1_500)
    probe.failing["s"] = asyncpg.CannotConnectNowError("starting up")
    async with world.running(probe) as backbone:
        await until(backbone, "active")
        for value in range(5):
            await world.note("s", value)
        await eventually(lambda: len(probe.attempts) >= 1)
        await until(backbone, "starting")
        probe.failing.clear()
        await world.expect(effects=5, facts=5, pending=0, timeout=30)
    assert await world.effects() == list(range(5))


# Each mechanism switched off: its promise breaks.


async def test_with_offsets_committed_past_what_waits_it_is_lost(
    world: KafkaWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.offsets_that_wait(monkeypatch)
    probe.failing["poison"] = ValueError("boom")
    await world.note("poison", 0)
    async with world.running(probe, max_handler_failures=1_000):
        for value in range(1, 21):
            await world.note("s", value)
        await world.expect(effects=20, pending=0)
    del probe.failing["poison"]
    async with world.running(probe) as backbone:
        await until(backbone, "active")
        await world.note("s", 21)
        await world.expect(effects=21)
    assert await world.effects("poison") == []


async def test_without_the_fence_a_member_that_lost_a_partition_goes_on(
    world: KafkaWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.partition_fence(monkeypatch)
    async with world.running(probe, "probe-1") as backbone:
        await until(backbone, "active")
        await world.steal_consumer_leases()
        await world.note("s", 1)
        await world.expect(effects=1)
        assert not _fence(backbone).lost.is_set()
