"""Whatever happens to a process, a connection or a group, its successor continues there, in order."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support import without
from tests.support.probe import COMMANDS, Note, Probe
from tests.support.wait import eventually
from tests.support.world import World, status, until


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
            without.healing_of_groups(monkeypatch)
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
    """Another program's XTRIM. What it deleted stays pending, and its group appears to lag permanently."""
    if not left_out:
        without.leaving_out_what_was_trimmed(monkeypatch)
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


async def test_what_a_dead_consumer_held_is_handled_first_and_in_order(world: World, probe: Probe) -> None:
    for value in range(30):
        await world.note(f"s{value % 3}", value)
    for member in ("dead-1", "dead-2"):
        await world.read_and_die(member, 7)
    async with world.running(probe):
        await world.expect(effects=30, pending=0)
    for subject in range(3):
        assert await world.effects(f"s{subject}") == list(range(subject, 30, 3))


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "not watched"])
async def test_a_reply_lost_on_the_way_is_found_before_anything_newer_is_handled(
    world: World, probe: Probe, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    """Not watched: the reader reconnects and reads on. What it lost is found two seconds later."""
    if not watched:
        without.watched_connections(monkeypatch)
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
    async with AsyncExitStack() as processes:
        first_process = await processes.enter_async_context(AsyncExitStack())
        first_backbone = await first_process.enter_async_context(world.running(probe, "probe-1"))
        await until(first_backbone, "active")
        second_backbone = await processes.enter_async_context(world.running(second, "probe-2"))
        for value in range(20):
            await world.note("s", value)
        await world.expect(effects=20)
        assert second.attempts == []
        assert status(second_backbone) == "standby"
        await first_process.aclose()
        for value in range(20, 40):
            await world.note("s", value)
        await world.expect(effects=40, facts=40)
        assert second.attempts
    assert await world.effects() == list(range(40))


async def test_a_holder_frozen_past_its_lease_changes_nothing(world: World, probe: Probe) -> None:
    """The old holder is in the middle of a batch when the lease is taken from it."""
    probe.gate.clear()
    async with world.running(probe, "probe-1", lease_ttl_seconds=30) as backbone:
        await world.note("s", 1)
        await eventually(world.is_in_transaction)
        await world.steal_consumer_leases()
        probe.gate.set()
        await until(backbone, "standby")
        assert await world.effects() == []


async def test_a_lease_is_given_back_at_a_clean_stop(world: World, probe: Probe) -> None:
    async with world.running(probe, "probe-1", lease_ttl_seconds=60) as backbone:
        await until(backbone, "active")
    async with world.running(probe, "probe-2", lease_ttl_seconds=60) as backbone:
        await until(backbone, "active")
