"""One run: servers, services, load and faults, then quiet, then the verdict."""

import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from common.migrations.run import migrate
from tests.chaos.evidence import Evidence, backlog, collect, waiting_facts
from tests.chaos.faults import Faults, Kill
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.load import Load, create_conversations
from tests.chaos.sabotage import DROP_TRIGGER
from tests.chaos.verdict import Verdict, judge
from tests.support.servers import PostgresServer, RedisServer, free_port

QUIET_SECONDS = 90.0


@dataclass(slots=True, frozen=True)
class Plan:
    """What a run does. Below ``least_kills`` or ``least_redeliveries`` it has proved nothing, and fails."""

    seed: int
    folder: Path
    commands: int = 10_000
    conversations: int = 200
    seconds: float = 105.0
    processes: int = 3
    kill_gap: tuple[float, float] = (1.0, 3.0)
    weather_gap: tuple[float, float] = (3.0, 7.0)
    least_kills: int = 40
    least_redeliveries: int = 10
    without: tuple[str, ...] = ()


@dataclass(slots=True)
class Result:
    """What came of a run, in numbers that go to JSON as they are."""

    seed: int
    seconds: float
    without: list[str]
    accepted: dict[str, int]
    unknown: dict[str, int]
    unknown_found: int
    copies: int
    effects: int
    facts: int
    fact_repeats: int
    redeliveries: int
    kills: dict[str, int]
    weather: dict[str, int]
    recovery_median: float
    recovery_max: float
    takeover_median: float
    takeover_max: float
    quiet_after: float | None
    findings: dict[str, list[str]]
    failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        return {"good": self.good, **asdict(self)}


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
        load = Load(
            ledger,
            fleet,
            database_url=postgres.url,
            redis_url=redis.url,
            conversations=conversations,
            total=plan.commands,
            seconds=plan.seconds,
            seed=plan.seed,
        )
        faults = Faults(
            fleet, postgres, redis, seed=plan.seed, kill_gap=plan.kill_gap, weather_gap=plan.weather_gap
        )
        breaking = asyncio.create_task(faults.run())
        loading = asyncio.create_task(load.run())
        while not loading.done():
            report(Progress(load.published, plan.commands, len(faults.kills), "breaking things"))
            await asyncio.wait([loading, breaking], timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            if breaking.done():
                loading.cancel()
                break
        breaking.cancel()
        with suppress(asyncio.CancelledError):
            await breaking  # a fault that could not be made is the harness's own failure
        await loading
        await faults.clear()
        report(Progress(load.published, plan.commands, len(faults.kills), "waiting for quiet"))
        await fleet.ready()
        quiet_after = await _quiet(postgres.url, redis.url)
        report(Progress(load.published, plan.commands, len(faults.kills), "counting"))
        async with Redis.from_url(redis.url, decode_responses=True) as client:
            evidence = await collect(postgres.url, client)
        redeliveries = fleet.count_logged("drained", "count")
    verdict = judge(ledger, evidence)
    return _result(
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


def _result(
    plan: Plan,
    ledger: Ledger,
    evidence: Evidence,
    verdict: Verdict,
    faults: Faults,
    redeliveries: int,
    quiet_after: float | None,
    seconds: float,
) -> Result:
    commits = sorted(
        row.created_at.timestamp()
        for row in evidence.rows
        if row.marker in ledger.commands and ledger.commands[row.marker].way == "stream"
    )
    recovery = _recovery(faults.kills, commits)
    takeover = _recovery([kill for kill in faults.kills if kill.active], commits)
    kinds = [kill.kind for kill in faults.kills]
    result = Result(
        seed=plan.seed,
        seconds=seconds,
        without=list(plan.without),
        accepted={way: ledger.count("accepted", way) for way in ("stream", "http", "node")},
        unknown={way: ledger.count("unknown", way) for way in ("stream", "http", "node")},
        unknown_found=verdict.unknown_found,
        copies=ledger.copies,
        effects=verdict.effects,
        facts=verdict.facts,
        fact_repeats=verdict.fact_repeats,
        redeliveries=redeliveries,
        kills={kind: kinds.count(kind) for kind in ("kill", "freeze")} | {"of the active": len(takeover)},
        weather=dict(faults.weather),
        recovery_median=statistics.median(recovery) if recovery else 0.0,
        recovery_max=max(recovery, default=0.0),
        takeover_median=statistics.median(takeover) if takeover else 0.0,
        takeover_max=max(takeover, default=0.0),
        quiet_after=quiet_after,
        findings=verdict.findings(),
    )
    result.failures = _failures(plan, result, len(faults.kills))
    return result


def _failures(plan: Plan, result: Result, kills: int) -> list[str]:
    failures = [f"{len(found)} {kind}" for kind, found in result.findings.items() if found]
    open_ = plan.commands - sum(result.accepted.values()) - sum(result.unknown.values())
    open_ -= sum(" refused: " in finding for finding in result.findings["dead"])
    if open_:
        failures.append(f"{open_} commands without an answer")
    if kills < plan.least_kills:
        failures.append(f"{kills} kills prove little: at least {plan.least_kills}")
    if result.redeliveries < plan.least_redeliveries:
        failures.append(
            f"{result.redeliveries} redeliveries prove little: at least {plan.least_redeliveries}"
        )
    if result.quiet_after is None:
        failures.append(f"not quiet after {QUIET_SECONDS:g} s")
    return failures


def _recovery(kills: list[Kill], commits: list[float]) -> list[float]:
    """Seconds from each kill to the next commit of a command from the stream."""
    times = []
    for kill in kills:
        later = next((commit for commit in commits if commit > kill.at), None)
        if later is not None:
            times.append(later - kill.at)
    return times


async def _execute(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
