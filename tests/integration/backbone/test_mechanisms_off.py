"""Each mechanism of the backbone, switched off: what its promise's test would see then."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from redis.exceptions import OutOfMemoryError

from backbone import inbox, relay
from backbone import processor as processing
from backbone.leases import Lease
from backbone.parking import Parking
from backbone.processor import Processor
from backbone.redis_streams import trimming
from backbone.redis_streams.consumer import StreamConsumer
from backbone.redis_streams.group import Group
from backbone.redis_streams.handover import Handover
from common import errors
from tests.integration.backbone.probe import COMMANDS, FACTS, Probe, World
from tests.support.wait import eventually

QUIET_SECONDS = 1.5
"""How long nothing must happen before we say that it doesn't: several reads, retries and polls."""


async def nothing(*_: Any, **__: Any) -> None:
    return None


async def test_without_the_inbox_a_repeat_has_two_effects(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim_all(_: Any, __: str, records: Sequence[Any]) -> set[Any]:
        return {key for key, _ in records}

    monkeypatch.setattr(inbox, "claim", claim_all)
    event_id = str(uuid4())
    async with world.running(probe, stream_batch_size=1):
        for _ in range(2):
            await world.note("s", 1, id=event_id)
        await world.expect(effects=2)


async def test_without_the_drain_what_a_dead_consumer_held_is_stranded(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def held_by_nobody(*_: Any) -> bool:
        return False

    monkeypatch.setattr(StreamConsumer, "_drain", nothing)
    monkeypatch.setattr(Group, "is_held_by_others", held_by_nobody)
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
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Lease, "hold", nothing)
    async with world.running(probe, lease_ttl_seconds=30):
        await world.note("s", 1)
        await world.expect(effects=1)
        await world.execute(
            "UPDATE leases SET owner = 'other', epoch = epoch + 1 WHERE name LIKE 'consumer:%'"
        )
        await world.note("s", 2)
        await world.expect(effects=2)


async def test_without_isolation_a_failing_handler_holds_up_everybody(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def all_fail(self: Processor, items: Sequence[Any], error: Exception) -> None:
        for item in items:
            await self._fail(item, item.order_key, error)

    monkeypatch.setattr(Processor, "_isolate", all_fail)
    probe.failing["poison"] = ValueError("boom")
    for value in range(6):
        await world.note("poison" if value == 3 else f"s{value}", value)
    async with world.running(probe, max_handler_failures=1):
        await world.expect(dead=6)
    assert await world.effects() == []


async def test_without_parking_a_retried_entry_is_overtaken(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Parking, "__contains__", lambda *_: False)
    probe.failing["s"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1_000, retry_backoff_seconds=1):
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
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch, outage: Exception, known: bool
) -> None:
    if not known:
        monkeypatch.setattr(processing, "is_outage", lambda _: False)
        monkeypatch.setattr(processing, "is_transient", lambda _: False)
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
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = relay.Relay._publish

    async def careless(self: relay.Relay, rows: Any) -> None:
        try:
            await publish(self, rows)
        except OutOfMemoryError:
            return

    monkeypatch.setattr(relay.Relay, "_publish", careless)
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
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def put(self: Handover, items: Sequence[Any], _: int) -> None:
        self._items.extend(items)
        self._ready.set()

    monkeypatch.setattr(Handover, "put", put)
    probe.gate.clear()
    for value in range(500):
        await world.note("s", value)
    await world.redis.xgroup_create(COMMANDS, "probe", id="0")
    async with world.running(probe, stream_batch_size=20):
        await world.expect(pending=500)
        probe.gate.set()


async def test_without_asking_the_groups_trimming_loses_what_is_unread(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def needs_nothing(_: Any, __: str, info: Any) -> trimming.Need:
        return trimming.Need(str(info["name"]), None, 0.0)

    monkeypatch.setattr(trimming, "_need", needs_nothing)
    await world.redis.xgroup_create(FACTS, "slow", id="0", mkstream=True)
    for _ in range(300):
        await world.redis.xadd(FACTS, {"type": "x", "data": "{}"})
    await asyncio.sleep(0.2)
    await trimming.trim(world.redis, FACTS, retention_seconds=0.1, owner="slow")
    left: Any = await world.redis.xreadgroup("slow", "c", {FACTS: ">"}, count=1_000)
    assert sum(len(entries) for _, entries in left) < 300


async def test_without_making_the_group_at_0_what_came_before_is_lost(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ensure_at_the_end(self: Group) -> bool:
        try:
            await self.redis.xgroup_create(self.stream, self.name, id="$", mkstream=True)
        except Exception:  # it is there
            return False
        return True

    monkeypatch.setattr(Group, "ensure", ensure_at_the_end)
    await world.note("s", 1)
    async with world.running(probe) as backbone:
        await eventually(lambda: _active(backbone))
        await world.note("s", 2)
        await world.expect(effects=1)
        await asyncio.sleep(QUIET_SECONDS)
        assert await world.effects() == [2]


async def test_without_counting_poison_is_tried_for_ever(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "is_transient", lambda error: errors.is_transient(error) or True)
    probe.failing["poison"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=2):
        await world.note("poison", 1)
        await eventually(lambda: len(probe.attempts) > 6)
        assert await world.dead() == []


def _active(backbone: Any) -> bool:
    return all(consumer.status == "active" for consumer in backbone._consumers.values())
