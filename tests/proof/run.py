"""One run: servers, services, load and faults, then quiet, then the verdict."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from takaro_schema.run import migrate
from tests.proof.faults import Faults
from tests.proof.fleet import Fleet
from tests.proof.knowledge.evidence import are_syncs_done
from tests.proof.launch import DROP_TRIGGER
from tests.proof.plan import Plan
from tests.proof.streams import leftovers
from tests.proof.summary import QUIET_SECONDS, Summary, summarise
from tests.proof.turns.strikes import Strikes
from tests.proof.workload import Workload
from tests.support.servers import PostgresServer, RedisServer, free_port
from tests.support.services import ServiceName

SYNCS_QUIET_SECONDS = 150.0
"""Beyond the two minutes after which knowledge has noticed a job that its queue gave up."""


@dataclass(slots=True, frozen=True)
class Progress:
    """A run's progress, for people."""

    published: int
    total: int
    kills: int
    phase: str


async def run(plan: Plan, report: Callable[[Progress], None] = lambda _: None) -> Summary:
    """Carry the plan out. Servers and processes are gone afterwards; their logs stay in ``plan.folder``."""
    postgres = PostgresServer(plan.folder / "postgres", free_port())
    # `always`: what was answered is on the disk, so a killed Redis loses nothing that was accepted.
    redis = RedisServer(plan.folder / "redis", free_port(), {"appendfsync": "always"})
    report(Progress(0, plan.commands, 0, "starting"))
    try:
        await asyncio.gather(*(asyncio.to_thread(server.prepare) for server in (postgres, redis)))
        for server in (postgres, redis):
            server.launch()
        await asyncio.gather(*(asyncio.to_thread(server.wait_ready) for server in (postgres, redis)))
        await asyncio.to_thread(migrate, postgres.url)
        if "insert-trigger" in plan.without:
            await _execute(postgres.url, DROP_TRIGGER)
        return await _prove(plan, postgres, redis, report)
    finally:
        await asyncio.gather(*(asyncio.to_thread(server.stop) for server in (postgres, redis)))


async def _prove(
    plan: Plan, postgres: PostgresServer, redis: RedisServer, report: Callable[[Progress], None]
) -> Summary:
    started = time.monotonic()
    workload = await Workload.make(plan, postgres.url, redis.url)
    # The launcher can't switch off the trigger: it is in the database.
    without = tuple(name for name in plan.without if name != "insert-trigger")
    fleet_of_all = Fleet(
        plan.sizes,
        postgres=postgres,
        redis=redis,
        folder=plan.folder / "logs",
        without=without,
        environment=workload.environment,
    )
    async with fleet_of_all as fleet, workload:
        faults = Faults(
            fleet, postgres, redis, seed=plan.seed, kill_gaps=plan.kill_gaps, weather_gap=plan.weather_gap
        )

        def enough() -> bool:
            least: dict[str, int] = dict.fromkeys(fleet.services, plan.least_kills_elsewhere)
            least["chat"] = plan.least_kills
            if plan.runtimes:
                least["turns"] = plan.least_kills_elsewhere
            return all(faults.count_kills(service) >= count for service, count in least.items())

        def tell(phase: str) -> None:
            report(Progress(workload.published, plan.commands, len(faults.kills), phase))

        await workload.prepare(fleet, enough)
        strikes = None
        if workload.runtimes:
            strikes = Strikes(workload.runtimes, fleet, faults, gap=plan.strike_gap, seed=plan.seed)
        breaking = asyncio.create_task(faults.run(strikes.run if strikes else None))
        loading = asyncio.create_task(workload.run())
        try:
            while not loading.done() and not breaking.done():
                tell("breaking things")
                await asyncio.wait([loading, breaking], timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        finally:
            faults.stop()
            await breaking  # a fault that could not be injected is the harness's own failure
            await faults.clear()
        await loading
        tell("waiting for quiet")
        await fleet.ready()
        await workload.finish()
        quiet_after = await _quiet(fleet.services, postgres.url, redis.url)
        tell("counting")
        async with Redis.from_url(redis.url, decode_responses=True) as client:
            judged = await workload.judge(client)
        redeliveries = {service: fleet.count_redeliveries(service) for service in fleet.services}
    summary = summarise(plan, judged, faults, redeliveries, quiet_after, time.monotonic() - started)
    if strikes is not None:
        summary.strikes = {", ".join(what): count for what, count in sorted(strikes.struck.items())}
    return summary


async def _quiet(services: Sequence[ServiceName], database_url: str, redis_url: str) -> float | None:
    """Wait until nothing is pending, unread or unpublished, twice in a row. Returns how long it took, if it
    did.

    Then wait for the syncs: the queue gives up one whose workers died of it twice, and reports it after a
    while.
    """

    async def look(client: Redis) -> bool:
        return all([(await leftovers(database_url, client, service)).quiet for service in services])

    async def look_at_syncs(client: Redis) -> bool:
        return await are_syncs_done(database_url, client) and await look(client)

    started = time.monotonic()
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        if not await _calm(lambda: look(client), QUIET_SECONDS):
            return None
        seconds = time.monotonic() - started
        if "knowledge" in services:
            await _calm(lambda: look_at_syncs(client), SYNCS_QUIET_SECONDS)
        return seconds


async def _calm(look: Callable[[], Awaitable[bool]], timeout: float) -> bool:
    started = time.monotonic()
    calm = 0
    while time.monotonic() - started < timeout:
        try:
            calm = calm + 1 if await look() else 0
        except (RedisError, OSError, TimeoutError, asyncpg.PostgresError):
            calm = 0
        if calm == 2:
            return True
        await asyncio.sleep(0.3)
    return False


async def _execute(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
