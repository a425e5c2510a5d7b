"""Each mechanism of the backbone, switched off: what its promise's test would see then."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from backbone.redis_streams import trimming
from tests.support import without
from tests.support.probe import COMMANDS, FACTS, Probe
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually
from tests.support.world import until

QUIET_SECONDS = 1.5
"""How long nothing must happen before we conclude that it doesn't: several reads, retries and polls."""


async def test_without_the_inbox_a_repeat_has_two_effects(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.inbox(monkeypatch)
    event_id = str(uuid4())
    async with world.running(probe, stream_batch_size=1):
        for _ in range(2):
            await world.note("s", 1, id=event_id)
        await world.expect(effects=2)


async def test_without_the_drain_what_a_dead_consumer_held_is_stranded(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.drain(monkeypatch)
    for value in range(4):
        await world.note("s", value)
    await world.redis.xgroup_create(COMMANDS, "probe", id="0")
    await world.redis.xreadgroup("probe", "dead", {COMMANDS: ">"}, count=2)
    async with world.running(probe):
        await world.expect(effects=2)
        await asyncio.sleep(QUIET_SECONDS)
        assert await world.effects() == [2, 3]
        assert await world.pending() == 2


async def test_without_the_fence_a_holder_that_was_replaced_still_writes(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.fence(monkeypatch)
    async with world.running(probe, lease_ttl_seconds=30):
        await world.note("s", 1)
        await world.expect(effects=1)
        await world.steal_consumer_leases()
        await world.note("s", 2)
        await world.expect(effects=2)


async def test_without_isolation_a_failing_handler_holds_up_everybody(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.isolation(monkeypatch)
    probe.failing["poison"] = ValueError("boom")
    for value in range(6):
        await world.note("poison" if value == 3 else f"s{value}", value)
    async with world.running(probe, max_handler_failures=1):
        await world.expect(dead=6)
    assert await world.effects() == []


async def test_without_parking_a_retried_entry_is_overtaken(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.parking(monkeypatch)
    later: dict[str, Any] = {"retry_backoff_seconds": 60, "retry_backoff_max_seconds": 60}  # when all is over
    probe.failing["s"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1_000, **later):
        await world.note("s", 1)
        await eventually(lambda: probe.attempts)
        del probe.failing["s"]
        await world.note("s", 2)
        await world.expect(effects=1)
        assert await world.effects() == [2]


@pytest.mark.parametrize(
    "outage",
    [asyncpg.DiskFullError("no space left on device"), asyncpg.CannotConnectNowError("starting up")],
    ids=["disk full", "starting"],
)
@pytest.mark.parametrize("known", [True, False], ids=["with", "without"])
async def test_an_outage_is_told_from_a_failure(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, outage: Exception, known: bool
) -> None:
    if not known:
        without.telling_outages(monkeypatch)
    probe.failing["s"] = outage
    async with world.running(probe, max_handler_failures=2):
        await world.note("s", 1)
        if not known:
            await world.expect(dead=1)
            return
        await eventually(lambda: len(probe.attempts) > 4)
        probe.failing.clear()
        await world.expect(effects=1, pending=0)
        assert await world.dead() == []


async def test_without_deleting_after_publishing_a_full_redis_loses_facts(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.keeping_until_published(monkeypatch)
    try:
        async with world.running(probe):
            await world.note("s", 0)
            await world.expect(facts=1)
            probe.gate.clear()
            await world.note("s", 1)
            await world.redis.config_set("maxmemory", 1)
            probe.gate.set()
            await world.expect(effects=2)

            async def emptied() -> bool:
                [row] = await world.execute("SELECT count(*) AS n FROM outbox")
                return bool(row["n"] == 0)

            await eventually(emptied)
            await world.redis.config_set("maxmemory", 0)
            await asyncio.sleep(QUIET_SECONDS)
            assert len(await world.facts()) == 1
    finally:
        await world.redis.config_set("maxmemory", 0)


async def test_without_a_limit_a_slow_consumer_takes_everything_in(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.read_ahead_limit(monkeypatch)
    probe.gate.clear()
    for value in range(500):
        await world.note("s", value)
    await world.redis.xgroup_create(COMMANDS, "probe", id="0")
    async with world.running(probe, stream_batch_size=20):
        await world.expect(pending=500)
        probe.gate.set()


async def test_without_asking_the_groups_trimming_loses_what_is_unread(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.asking_the_groups(monkeypatch)
    await world.redis.xgroup_create(FACTS, "slow", id="0", mkstream=True)
    for _ in range(300):
        await world.redis.xadd(FACTS, {"type": "x", "data": "{}"})
    await asyncio.sleep(0.2)
    await trimming.trim(world.redis, FACTS, retention_seconds=0.1, owner="slow")
    left: Any = await world.redis.xreadgroup("slow", "c", {FACTS: ">"}, count=1_000)
    assert sum(len(entries) for _, entries in left) < 300


async def test_without_making_the_group_at_0_what_came_before_is_lost(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.group_at_the_beginning(monkeypatch)
    await world.note("s", 1)
    async with world.running(probe) as backbone:
        await until(backbone, "active")
        await world.note("s", 2)
        await world.expect(effects=1)
        await asyncio.sleep(QUIET_SECONDS)
        assert await world.effects() == [2]


async def test_without_counting_poison_is_tried_for_ever(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.counting_of_failures(monkeypatch)
    probe.failing["poison"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=2):
        await world.note("poison", 1)
        await eventually(lambda: len(probe.attempts) > 6)
        assert await world.dead() == []
