"""Nothing of a mock server is lost with the process that served it, and its timed things have one driver."""

from datetime import timedelta
from pathlib import Path

import pytest

from backbone.leases import Lease, LeaseLost
from backbone.names import SIMULATION_LEASE
from cockpit.servers import use_cases
from cockpit.servers.simulation import advance
from common.postgres import Pool
from tests.integration.cockpit.conftest import ENVIRONMENT, Cockpit, Converse, Streams, open_cockpit, open_tab
from tests.support.services import Service, running
from tests.support.wait import eventually

TICKS = "SELECT (state ->> 'ticks')::int FROM cockpit_game_servers"


async def test_a_killed_service_finds_its_servers_running(cockpit: Service, ann: Cockpit) -> None:
    started = await ann.start()
    await ann.run("ban 2 griefing")
    await ann.run("setPlayerPing 3 250")
    await cockpit.kill()
    await cockpit.start()
    assert await ann.status() == {**started, "playerCount": 4}
    assert not (await ann.run("connectPlayer 2"))["success"]
    assert (await ann.run("unban 2"))["success"]
    async with open_tab(cockpit, "ann", ann.session_id) as tab:
        await eventually(lambda: len(tab.names()) == 10)
    assert tab.names()[:5] == ["player-connected"] * 5


async def test_a_simulation_goes_on_after_a_kill(cockpit: Service, ann: Cockpit, pool: Pool) -> None:
    await ann.start()
    assert (await ann.run("startSimulation"))["success"]
    await eventually(lambda: _ticks_beyond(pool, 5))
    await cockpit.kill()
    before = await pool.fetchval(TICKS)
    await cockpit.start()
    await eventually(lambda: _ticks_beyond(pool, before))
    assert (await ann.run("stopSimulation"))["success"]
    ticks = await pool.fetchval(TICKS)
    assert await pool.fetchval("SELECT next_tick_at FROM cockpit_game_servers") is None
    assert (await ann.run("version"))["success"]
    assert await pool.fetchval(TICKS) == ticks


async def test_stopping_the_server_ends_its_simulation(ann: Cockpit, pool: Pool) -> None:
    await ann.start()
    await ann.run("startSimulation")
    await eventually(lambda: _ticks_beyond(pool, 2))
    await ann.stop()
    assert await pool.fetchval("SELECT next_tick_at FROM cockpit_game_servers") is None
    await ann.start()
    assert not (await ann.run("stopSimulation"))["success"]


async def test_a_second_replica_takes_the_simulations_over_and_no_step_is_taken_twice(
    cockpit: Service,
    ann: Cockpit,
    pool: Pool,
    streams: Streams,
    package_database: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    async with running(
        "cockpit",
        database_url=package_database,
        redis_url=redis_url,
        folder=tmp_path,
        instance="cockpit-2",
        environment=ENVIRONMENT,
    ) as replica:
        await ann.start()
        await ann.run("startSimulation")
        await eventually(lambda: _ticks_beyond(pool, 5))
        await cockpit.kill()
        before = await pool.fetchval(TICKS)
        await eventually(lambda: _ticks_beyond(pool, before + 5))
        async with replica.client("ann") as client:
            there = Cockpit(client, ann.conversation_id, ann.session_id)
            await there.run("stopSimulation")
    ticks = await pool.fetchval(TICKS)
    # five arrivals at the start, and two commands; each step of a full server is one event
    assert await pool.fetchval("SELECT count(*) FROM cockpit_events WHERE event_name LIKE '%-%'") == ticks + 8


async def test_a_driver_that_lost_its_lease_changes_nothing(
    cockpit: Service, ann: Cockpit, pool: Pool
) -> None:
    await ann.start()
    holder = await eventually(
        lambda: pool.fetchrow("SELECT owner, epoch FROM leases WHERE name = $1", SIMULATION_LEASE)
    )
    assert holder is not None
    await cockpit.kill()
    await pool.execute("UPDATE leases SET epoch = epoch + 1 WHERE name = $1", SIMULATION_LEASE)
    await pool.execute(
        "UPDATE cockpit_game_servers SET state = state || '{\"simulating\": true}', next_tick_at = now()"
    )
    frozen = Lease(SIMULATION_LEASE, holder["owner"], holder["epoch"])

    async def step(connection: object, user_id: str) -> bool:
        return await use_cases.simulate(connection, user_id, timedelta(seconds=5))  # type: ignore[arg-type]

    with pytest.raises(LeaseLost):
        await advance(pool, frozen, "ann", step)
    assert await pool.fetchval(TICKS) == 0
    assert await advance(pool, Lease(SIMULATION_LEASE, holder["owner"], holder["epoch"] + 1), "ann", step)
    assert await pool.fetchval(TICKS) == 1


async def test_a_broken_server_does_not_hold_up_the_others(
    cockpit: Service, ann: Cockpit, converse: Converse, pool: Pool
) -> None:
    async with cockpit.client("ben") as client:
        ben = await open_cockpit(client, await converse("ben"))
        await ben.start()
        await pool.execute("UPDATE cockpit_game_servers SET state = '{}', next_tick_at = now()")
        await ann.start()
        await ann.run("startSimulation")
        await eventually(
            lambda: pool.fetchval(
                "SELECT (state ->> 'ticks')::int > 3 FROM cockpit_game_servers WHERE user_id = 'ann'"
            )
        )


async def _ticks_beyond(pool: Pool, ticks: int) -> bool:
    return bool(await pool.fetchval(TICKS) > ticks)
