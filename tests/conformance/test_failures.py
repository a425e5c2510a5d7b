"""A failing entry is retried, isolated or dead-lettered, and no other entry waits for it."""

import asyncpg

from tests.support.probe import Probe
from tests.support.wait import eventually
from tests.support.world import World


async def test_a_failing_handler_holds_up_its_own_key_only(world: World, probe: Probe) -> None:
    probe.failing["poison"] = ValueError("boom")
    async with world.running(probe, max_handler_failures=1_000):
        for value in range(100):
            await world.note("poison" if value % 50 == 7 else f"s{value % 10}", value)
        await world.expect(effects=98, held_up=2)
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


async def test_what_waits_when_a_process_stops_is_handled_by_the_next_one(world: World, probe: Probe) -> None:
    probe.failing["poison"] = ValueError("boom")
    await world.note("poison", 0)
    async with world.running(probe, max_handler_failures=1_000):
        for value in range(1, 201):
            await world.note(f"s{value % 5}" if value % 40 else "poison", value)
        await world.expect(effects=195)
    assert await world.is_held_up(6)
    del probe.failing["poison"]
    async with world.running(probe):
        await world.expect(effects=201, facts=201, pending=0)
    assert await world.effects("poison") == [0, 40, 80, 120, 160, 200]
    for subject in range(5):
        values = await world.effects(f"s{subject}")
        assert values == sorted(values)
    assert await world.dead() == []
