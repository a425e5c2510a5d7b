"""What a turn costs: after 200 messages and after 10, and beside LangGraph's Postgres checkpointer.

Each turn is in a conversation of its own, whose history was there before, and runs alone. What is compared
takes turns on the same Postgres, and begins after a checkpoint of Postgres: the first change of a page is
then logged as the whole page, which is how it is with many conversations.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg

from benchmarks.report import Report
from benchmarks.turns_ways import fill, in_process, langgraph, over_http
from benchmarks.world import World, cpu_seconds, median

SHORT, LONG = 10, 200
SYNCED = "LangGraph, each step committed"
DELTAS = "LangGraph with DeltaChannel (beta)"
TURNS, ROUNDS, WARM_UP = 30, 3, 5
WRITTEN = "SELECT pg_current_wal_insert_lsn()::text"
SINCE = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)"


@dataclass(slots=True)
class Cost:
    """Of one turn, in each round: ``seconds``; CPU seconds of the program that runs it (``own``) and of the
    ``servers`` that it needs; ``wal``, bytes that Postgres logs."""

    seconds: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    servers: list[float] = field(default_factory=list)
    wal: list[float] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """Of all processes."""
        return median(self.own) + median(self.servers)


@dataclass(slots=True, frozen=True)
class Way:
    """``fill`` makes a conversation, ``turn`` runs one there and returns its own CPU seconds; ``servers`` are
    the processes that it asks."""

    fill: Callable[[], Awaitable[Any]]
    turn: Callable[[Any], Awaitable[float]]
    servers: Sequence[int]


async def run(world: World, report: Report) -> None:
    """Medians of :data:`ROUNDS` rounds of :data:`TURNS` turns."""
    postgres = world.postgres.pid
    async with over_http(world) as http:
        chat = [postgres, world.redis.pid, http.chat.pid]
        ways = {
            f"over HTTP, after {count} messages": Way(partial(fill, world, count), http.turn, chat)
            for count in (SHORT, LONG)
        }
        costs = await _measure(world, report, ways)
    # The service has ended: its relay would work on what the other ways leave in the outbox.
    async with in_process(world) as ours, langgraph(world) as graph:
        ways = {
            f"chat's functions, after {count} messages": Way(
                partial(fill, world, count), ours.turn, [postgres]
            )
            for count in (SHORT, LONG)
        }
        kinds = {
            "LangGraph": "whole",
            SYNCED: "synced",
            DELTAS: "deltas",
            "LangGraph without": "none",
        }
        for name, kind in kinds.items():
            filling = partial(graph.fill, kind, LONG)
            ways[f"{name}, after {LONG} messages"] = Way(filling, graph.turn, [postgres])
        costs |= await _measure(world, report, ways)
    _report(report, costs)


async def _measure(world: World, report: Report, ways: dict[str, Way]) -> dict[str, Cost]:
    costs = {name: Cost() for name in ways}
    connection = await asyncpg.connect(world.postgres.url)
    for way in ways.values():
        for _ in range(WARM_UP):
            await way.turn(await way.fill())
    for number in range(ROUNDS):
        for name, way in ways.items():
            report.progress(f"turns, round {number + 1} of {ROUNDS}: {name}")
            where = [await way.fill() for _ in range(TURNS)]
            await connection.execute("CHECKPOINT")
            wal = await connection.fetchval(WRITTEN)
            cpu = sum(cpu_seconds(pid) for pid in way.servers)
            timed = [await _timed(way, each) for each in where]
            servers = sum(cpu_seconds(pid) for pid in way.servers) - cpu
            written = float(await connection.fetchval(SINCE, wal))
            cost = costs[name]
            cost.seconds.append(median([seconds for seconds, _ in timed]))
            cost.own.append(sum(own for _, own in timed) / TURNS)
            cost.servers.append(servers / TURNS)
            cost.wal.append(written / TURNS)
    await connection.close()
    return costs


async def _timed(way: Way, where: Any) -> tuple[float, float]:
    """Seconds of a turn, and of its own CPU."""
    started = time.perf_counter()
    own = await way.turn(where)
    return time.perf_counter() - started, own


def _report(report: Report, costs: dict[str, Cost]) -> None:
    for name, cost in costs.items():
        report.line(
            f"turn: {name}",
            f"{median(cost.seconds) * 1e3:.1f} ms, CPU {median(cost.own) * 1e3:.1f} and servers "
            f"{median(cost.servers) * 1e3:.1f} ms, WAL {median(cost.wal) / 1e3:,.0f} KB",
        )
    for way in ("over HTTP", "chat's functions"):
        short, long = (costs[f"{way}, after {count} messages"] for count in (SHORT, LONG))
        for what, ratio in (
            ("time", median(long.seconds) / median(short.seconds)),
            ("CPU", long.cpu / short.cpu),
        ):
            name = f"turn {way}, {LONG} messages beside {SHORT}: {what}"
            report.line(name, f"{ratio:.2f}", "at most 1.5", ratio <= 1.5)
    ours = costs[f"chat's functions, after {LONG} messages"]
    none = costs[f"LangGraph without, after {LONG} messages"]
    for name in ("LangGraph", SYNCED, DELTAS):
        theirs = costs[f"{name}, after {LONG} messages"]
        for what, ratio in (
            ("time", median(ours.seconds) / (median(theirs.seconds) - median(none.seconds))),
            ("CPU", ours.cpu / (theirs.cpu - none.cpu)),
            ("WAL", median(ours.wal) / median(theirs.wal)),
        ):
            line = f"turn: chat's functions beside the checkpoints of {name}: {what}", f"{ratio:.3f}"
            if name == "LangGraph":
                report.line(*line, "at most 0.125", ratio <= 0.125)
            else:  # which isn't what graphs do unless they are told to
                report.line(*line)
