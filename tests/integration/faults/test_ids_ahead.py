"""An entry that was added with an id an hour ahead: Redis numbers all later entries from there.

Nothing may treat an id as the time, or as a permanent position. Each mechanism that ensures this, on and off.
"""

import time
from typing import Any

import pytest
from redis.asyncio import Redis

from backbone.redis_streams import consumer, trimming
from backbone.redis_streams.group import Group
from tests.support import without
from tests.support.probe import COMMANDS, FACTS, Note, Probe
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually

AHEAD_SECONDS = 3_600

with_and_without = pytest.mark.parametrize("off", [False, True], ids=["with", "without"])


def id_ahead(counter: int = 0) -> str:
    return f"{int((time.time() + AHEAD_SECONDS) * 1000)}-{counter}"


def note(value: int) -> dict[Any, Any]:
    return {"type": Note.type, "data": f'{{"subject": "s", "value": {value}}}'}


async def test_an_entry_with_an_id_an_hour_ahead_disturbs_nothing(world: RedisWorld, probe: Probe) -> None:
    async with world.running(probe, stream_retention_seconds=1):
        await world.note("s", 0)
        await world.redis.xadd(COMMANDS, note(1), id=id_ahead())
        for value in range(2, 5):
            await world.note("s", value)
        await world.expect(effects=5, pending=0)
        await world.redis.xgroup_destroy(COMMANDS, "probe")
        await world.note("s", 5)
        await world.expect(effects=6, pending=0)
    await world.note("s", 6)
    async with world.running(Probe()):
        await world.expect(effects=7, pending=0)
    assert await world.effects() == list(range(7))


@with_and_without
async def test_a_stream_that_was_lost_is_read_from_its_beginning_and_not_from_the_hour_ahead(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, off: bool
) -> None:
    """Off: a lost group is recreated where it had read to, instead of at 0."""
    if off:
        without.remaking_at_the_beginning(monkeypatch)
    async with world.running(probe):
        await world.redis.xadd(COMMANDS, note(0), id=id_ahead())
        await world.expect(effects=1, pending=0)
        await world.redis.delete(COMMANDS)
        await world.note("s", 1)
        await world.redis.xadd(COMMANDS, note(2), id=id_ahead(1))
        await world.expect(effects=2 if off else 3)
    assert await world.effects() == ([0, 2] if off else [0, 1, 2])


@with_and_without
async def test_facts_are_published_behind_one_of_an_hour_ahead(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, off: bool
) -> None:
    """Off: the relay numbers entries by its clock, instead of leaving that to Redis."""
    refused = without.numbering_by_redis(monkeypatch) if off else []
    async with world.running(probe):
        await world.note("s", 0)
        await world.expect(effects=1, facts=1)
        await world.redis.xadd(FACTS, {"type": "other.team.v1", "data": "{}"}, id=id_ahead())
        await world.note("s", 1)
        await world.expect(effects=2)
        if off:
            await eventually(lambda: refused)
            assert "equal or smaller" in str(refused[0])
        else:
            await world.expect(facts=2)
    assert len(await world.facts()) == (1 if off else 2)


@with_and_without
async def test_facts_stay_for_the_whole_retention_whatever_id_the_last_one_has(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, off: bool
) -> None:
    """Off: the age of entries is counted from the newest one's id, instead of from the clock."""
    for _ in range(300):
        await redis.xadd(FACTS, {"type": "x", "data": "{}"})
    last = await redis.xadd(FACTS, {"type": "x", "data": "{}"}, id=id_ahead())
    if off:
        without.ages_by_the_clock(monkeypatch, str(last))
    await trimming.trim(redis, FACTS, retention_seconds=60, owner=None)
    left = await redis.xlen(FACTS)
    assert left < 200 if off else left == 301


@with_and_without
async def test_an_entry_of_an_hour_ahead_that_a_dead_process_was_handed_is_found(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, off: bool
) -> None:
    """Off: how long an entry waits is read from its id, instead of from the group."""
    if off:
        without.idleness_by_the_group(monkeypatch)
    looks: list[int] = []
    list_idle = Group.list_idle

    async def look(self: Group, idle_seconds: float, count: int = 100) -> list[str]:
        found = await list_idle(self, idle_seconds, count)
        looks.append(len(found))
        return found

    monkeypatch.setattr(Group, "list_idle", look)
    monkeypatch.setattr(consumer, "STRAY_SECONDS", 0.2)
    async with world.running(probe):
        await eventually(lambda: looks)
        handed = world.redis.pipeline(transaction=True)
        handed.xadd(COMMANDS, note(0), id=id_ahead())
        handed.xreadgroup("probe", "dead", {COMMANDS: ">"})
        await handed.execute()
        if off:
            seen = len(looks)
            await eventually(lambda: len(looks) > seen + 2)
            assert await world.pending() == 1
        else:
            await world.expect(effects=1, pending=0)
    assert await world.effects() == ([] if off else [0])
