"""Slow groups, trimming: nothing unread is lost, and nobody else is affected."""

import asyncio
from typing import Any

from backbone.redis_streams.trimming import trim
from tests.support.probe import COMMANDS, FACTS, Probe
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually


async def test_a_slow_consumer_holds_three_batches_and_no_more(world: RedisWorld, probe: Probe) -> None:
    probe.gate.clear()
    for value in range(2_000):
        await world.note(f"s{value % 10}", value)
    async with world.running(probe, stream_batch_size=50) as backbone:
        # One is being handled (the first is small), one is ready, one waits to be.
        await eventually(lambda: probe.attempts == [] and _in_flight(backbone) > 100)
        await asyncio.sleep(1.5)  # longer than one blocking read: nothing more may have been taken
        assert _in_flight(backbone) <= 150
        assert await world.pending() == _in_flight(backbone)
        probe.gate.set()
        await world.expect(effects=2_000, pending=0, timeout=60)


async def test_nothing_unread_is_trimmed_and_what_was_read_goes(world: RedisWorld, probe: Probe) -> None:
    """Retention is a second, and another group on the facts reads slowly."""
    await world.redis.xgroup_create(FACTS, "slow", id="0", mkstream=True)
    async with world.running(probe):
        for value in range(600):
            await world.note("s", value)
        await world.expect(effects=600, facts=600)
    taken: Any = await world.redis.xreadgroup("slow", "c", {FACTS: ">"}, count=250)
    ids = [entry_id for entry_id, _ in taken[0][1]]
    await world.redis.xack(FACTS, "slow", *ids[:200])
    await asyncio.sleep(1.1)

    await trim(world.redis, FACTS, retention_seconds=1, owner="slow")
    left = [entry_id for entry_id, _ in await world.redis.xrange(FACTS)]  # type: ignore[union-attr]
    assert len(left) >= 400
    assert len(left) < 600
    assert ids[200] in left
    rest: Any = await world.redis.xreadgroup("slow", "c", {FACTS: ">"}, count=1_000)
    assert len(rest[0][1]) == 350

    await trim(world.redis, COMMANDS, retention_seconds=1, owner="probe")
    assert await world.redis.xlen(COMMANDS) < 200  # all handled: only the last node of the stream may stay


async def test_a_silent_group_is_dropped_from_facts_and_never_from_commands(
    world: RedisWorld, probe: Probe
) -> None:
    for stream in (FACTS, COMMANDS):
        await world.redis.xgroup_create(stream, "silent", id="0", mkstream=True)
        for _ in range(300):
            await world.redis.xadd(stream, {"type": "x", "data": "{}"})

    async def dropped() -> bool:
        await trim(world.redis, FACTS, retention_seconds=1, owner=None)
        await trim(world.redis, COMMANDS, retention_seconds=1, owner="silent")
        return await world.redis.xinfo_groups(FACTS) == []

    await eventually(dropped)
    assert len(await world.redis.xinfo_groups(COMMANDS)) == 1
    assert await world.redis.xlen(COMMANDS) == 300


def _in_flight(backbone: Any) -> int:
    return sum(len(c._processor.in_flight) for c in backbone._consumers.values())
