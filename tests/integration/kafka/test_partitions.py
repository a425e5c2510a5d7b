"""What is peculiar to Kafka: offsets, parked keys, assignments, fences."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from backbone.backbone import Backbone
from backbone.handlers import Router
from backbone.kafka import consumer
from backbone.kafka.fencing import PartitionFence
from backbone.kafka.partitions import Progress
from backbone.leases import LeaseLost
from common.notifications import Notifications
from tests.integration.backbone.probe import COMMANDS, FACTS, Note, Probe
from tests.integration.kafka.world import KafkaWorld
from tests.support.tansu import TansuServer
from tests.support.wait import eventually


async def test_a_failing_handler_holds_up_its_own_key_only(world: KafkaWorld, probe: Probe) -> None:
    probe.failing["poison"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1_000):
        for value in range(100):
            await world.note("poison" if value % 50 == 7 else f"s{value % 10}", value)
        await world.expect(effects=98)
        del probe.failing["poison"]
        await world.expect(effects=100, pending=0)
    assert await world.effects("poison") == [7, 57]
    assert await world.dead() == []


async def test_no_offset_is_committed_past_an_entry_that_waits(world: KafkaWorld, probe: Probe) -> None:
    probe.failing["poison"] = ValueError("boom")
    await world.note("poison", 0)
    async with world.running(probe, max_handler_failures=1_000):
        for value in range(1, 201):
            await world.note(f"s{value % 5}" if value % 40 else "poison", value)
        await world.expect(effects=195)
    assert await world.pending() >= 6
    del probe.failing["poison"]
    async with world.running(probe):
        await world.expect(effects=201, facts=201, pending=0)
    assert await world.effects("poison") == [0, 40, 80, 120, 160, 200]
    for subject in range(5):
        values = await world.effects(f"s{subject}")
        assert values == sorted(values)
    assert await world.dead() == []


async def test_partitions_are_shared_and_taken_over_in_order(world: KafkaWorld, probe: Probe) -> None:
    second = Probe()
    async with world.running(probe, "probe-1") as first_backbone:
        await eventually(lambda: _status(first_backbone) == "active")
        async with world.running(second, "probe-2"):
            for value in range(90):
                await world.note(f"s{value % 9}", value)
                if value == 45:
                    await eventually(lambda: bool(second.attempts) or _held(world, "probe-2"), timeout=20)
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
    """It is in the middle of a batch when another takes the partition's row."""
    probe.gate.clear()
    async with world.running(probe, "probe-1", lease_ttl_seconds=30) as backbone:
        await eventually(lambda: _status(backbone) == "active")
        await world.note("s", 1)
        await eventually(lambda: _in_transaction(world))
        await world.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        )
        await world.execute(
            "UPDATE leases SET owner = 'other', epoch = epoch + 1 WHERE name LIKE 'consumer:%'"
        )
        lost = _fence(backbone)
        probe.gate.set()
        await eventually(lambda: lost.lost.is_set())
        assert await world.effects() == []
        # Still in the group, it takes its partitions anew.
        await world.expect(effects=1, timeout=20)
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


async def test_ready_tells_whether_the_consumer_runs(
    world: KafkaWorld, probe: Probe, kafka: TansuServer
) -> None:
    async with world.running(probe) as backbone:
        assert _status(backbone) == "starting"
        await eventually(lambda: _status(backbone) == "active")
        kafka.pause()
        try:
            await eventually(lambda: _status(backbone) == "starting", timeout=20)
        finally:
            kafka.resume()
        await eventually(lambda: _status(backbone) == "active", timeout=30)
        await world.note("s", 1)
        await world.expect(effects=1, facts=1, timeout=20)


async def test_a_service_starts_before_its_broker_and_makes_its_topics(
    database: str, redis_url: str, world: KafkaWorld, probe: Probe, kafka: TansuServer
) -> None:
    await world.admin.delete_topics(["probe.commands", "probe.commands.dead"])
    kafka.pause()
    async with world.running(probe) as backbone:
        try:
            await asyncio.sleep(0)
            assert _status(backbone) == "starting"
        finally:
            kafka.resume()
        await eventually(lambda: _status(backbone) == "active", timeout=30)
        assert {"probe.commands", "probe.commands.dead"} <= set(await world.admin.list_topics())


async def _in_transaction(world: KafkaWorld) -> bool:
    rows = await world.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'")
    return bool(rows)


async def _waits_for_lock(world: KafkaWorld) -> bool:
    rows = await world.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    return bool(rows)


def _status(backbone: Backbone) -> str:
    [consumer] = backbone._consumers.values()
    return consumer.status


def _fence(backbone: Backbone) -> Any:
    consumer: Any = next(iter(backbone._consumers.values()))
    return consumer._in_force().partitions.fence


async def test_a_service_reads_several_topics_in_one_group(world: KafkaWorld, probe: Probe) -> None:
    """As cockpit does: its own commands, and chat's facts."""
    await world.recreate(("other.events",))
    listener = Router("probe")  # of facts: what it doesn't know is somebody else's
    listener.on(Note, probe.handle, key=lambda command: command.data.subject)
    settings = world.settings()
    notifications = Notifications(settings)
    streams = {COMMANDS: probe.router, "other.events": listener}
    async with Backbone(settings, notifications, streams, FACTS):
        for value in range(20):
            await world.note(f"s{value}", value)
            headers = [("ce_id", str(uuid4()).encode()), ("ce_type", Note.type.encode())]
            data = b'{"subject": "t%d", "value": %d}' % (value, value)
            await world.producer.send_and_wait(
                "other.events", key=b"t%d" % value, value=data, headers=headers
            )
            unknown = [("ce_type", b"other.thing.v1")]
            await world.producer.send_and_wait("other.events", key=b"t", value=b"{}", headers=unknown)
        await world.expect(effects=40, facts=40, pending=0, timeout=30)
    assert await world.dead() == []


async def test_a_batch_that_waits_beyond_the_poll_interval_is_handled_in_the_end(
    world: KafkaWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "MAX_POLL_MILLISECONDS", 1_500)
    probe.failing["s"] = asyncpg.CannotConnectNowError("starting up")
    async with world.running(probe) as backbone:
        await eventually(lambda: _status(backbone) == "active")
        for value in range(5):
            await world.note("s", value)
        await eventually(lambda: len(probe.attempts) >= 1)
        await eventually(lambda: _status(backbone) == "starting")
        probe.failing.clear()
        await world.expect(effects=5, facts=5, pending=0, timeout=30)
    assert await world.effects() == list(range(5))


# Each mechanism switched off: its promise breaks.


async def test_with_offsets_committed_past_what_waits_it_is_lost(
    world: KafkaWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Progress, "low", property(lambda progress: progress.next))
    probe.failing["poison"] = ValueError("boom")
    await world.note("poison", 0)
    async with world.running(probe, max_handler_failures=1_000):
        for value in range(1, 21):
            await world.note("s", value)
        await world.expect(effects=20, pending=0)
    del probe.failing["poison"]
    async with world.running(probe) as backbone:
        await eventually(lambda: _status(backbone) == "active")
        await world.note("s", 21)
        await world.expect(effects=21)
    assert await world.effects("poison") == []


async def test_without_the_fence_a_member_that_lost_a_partition_goes_on(
    world: KafkaWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hold(self: PartitionFence, connection: object) -> None:
        pass

    monkeypatch.setattr(PartitionFence, "hold", hold)
    async with world.running(probe, "probe-1") as backbone:
        await eventually(lambda: _status(backbone) == "active")
        await world.execute(
            "UPDATE leases SET owner = 'other', epoch = epoch + 1 WHERE name LIKE 'consumer:%'"
        )
        await world.note("s", 1)
        await world.expect(effects=1)
        assert not _fence(backbone).lost.is_set()
