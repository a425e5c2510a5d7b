"""One run: servers, services, load and faults, then quiet, then the verdict."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from common.migrations.run import migrate
from tests.chaos.evidence import backlog, collect, waiting_facts
from tests.chaos.faults import Faults
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load, create_conversations
from tests.chaos.result import QUIET_SECONDS, Plan, Result, summarise
from tests.chaos.sabotage import DROP_TRIGGER
from tests.chaos.verdict import judge
from tests.support.servers import PostgresServer, RedisServer, free_port


@dataclass(slots=True, frozen=True)
class Progress:
    """How far a run is, for people."""

    published: int
    total: int
    kills: int
    phase: str


async def run(plan: Plan, report: Callable[[Progress], None] = lambda _: None) -> Result:
    """Carry the plan out; servers and processes are gone afterwards, their logs stay in ``plan.folder``."""
    postgres = PostgresServer(plan.folder / "postgres", free_port())
    # `always`: what was answered is on the disk, so that a killed Redis forgets nothing that was accepted.
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
) -> Result:
    started = time.monotonic()
    ledger = Ledger()
    conversations = await create_conversations(postgres.url, plan.conversations)
    # The trigger isn't the launcher's to switch off: it is in the database.
    without = tuple(name for name in plan.without if name != "insert-trigger")
    async with Fleet(
        plan.processes, postgres=postgres, redis=redis, folder=plan.folder / "logs", without=without
    ) as fleet:
        faults = Faults(
            fleet, postgres, redis, seed=plan.seed, kill_gap=plan.kill_gap, weather_gap=plan.weather_gap
        )
        load = Load(
            ledger,
            fleet,
            database_url=postgres.url,
            redis_url=redis.url,
            conversations=conversations,
            total=plan.commands,
            seconds=plan.seconds,
            seed=plan.seed,
            enough=lambda: len(faults.kills) >= plan.least_kills,
        )
        breaking = asyncio.create_task(faults.run())
        loading = asyncio.create_task(load.run())
        try:
            while not loading.done() and not breaking.done():
                report(Progress(load.published, plan.commands, len(faults.kills), "breaking things"))
                await asyncio.wait([loading, breaking], timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        finally:
            faults.stop()
            await breaking  # a fault that could not be made is the harness's own failure
            await faults.clear()
        await loading
        report(Progress(load.published, plan.commands, len(faults.kills), "waiting for quiet"))
        await fleet.ready()
        quiet_after = await _quiet(postgres.url, redis.url)
        report(Progress(load.published, plan.commands, len(faults.kills), "counting"))
        async with Redis.from_url(redis.url, decode_responses=True) as client:
            evidence = await collect(postgres.url, client)
        redeliveries = fleet.count_logged("drained", "count")
    verdict = judge(ledger, evidence)
    return summarise(
        plan, ledger, evidence, verdict, faults, redeliveries, quiet_after, time.monotonic() - started
    )


async def _quiet(database_url: str, redis_url: str, timeout: float = QUIET_SECONDS) -> float | None:
    """Wait until nothing is pending, unread or unpublished, twice in a row; how long it took, if it did."""
    started = time.monotonic()
    calm = 0
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        while time.monotonic() - started < timeout:
            try:
                quiet = not any((*await backlog(client), await waiting_facts(database_url)))
            except (RedisError, OSError, TimeoutError, asyncpg.PostgresError):
                quiet = False
            calm = calm + 1 if quiet else 0
            if calm == 2:
                return time.monotonic() - started
            await asyncio.sleep(0.3)
    return None


async def _execute(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
