"""What 2,000 open event streams cost one process while runtimes show pieces: memory, and other requests."""

import asyncio
import time

import httpx

from benchmarks.report import Report
from benchmarks.turns_relayed import (
    Running,
    chat_with_streams,
    following,
    paced,
    post_piece,
    take,
)
from benchmarks.turns_ways import AGENT
from benchmarks.world import World, bare_client, rss_megabytes
from tests.support.services import Service

STREAMS, TURNS = 2_000, 200
SECONDS, PIECES_PER_SECOND, CHECKS_PER_SECOND = 15, 20, 50
MEGABYTES, P99_MS = 300, 50


async def run(world: World, report: Report) -> None:
    """Every turn has ten streams: five that follow it, and five that follow its conversation."""
    async with chat_with_streams(world, STREAMS) as chat, bare_client(chat, "runtime") as runtime:
        runtime.headers.update({"X-Scope": "agent", "X-Agents": AGENT})
        turns = [await take(world, runtime) for _ in range(TURNS)]
        shown = dict.fromkeys(range(TURNS), 0)
        paths = [path for turn in turns for path in turn.paths()]
        async with following(chat, paths[:50]):  # what is imported and cached at first is no stream's
            await _show(runtime, turns[:25], shown, 25)
            alone = await _check(chat)
        before = rss_megabytes(chat.pid)
        report.progress(f"opening {STREAMS:,} streams")
        async with following(chat, paths * (STREAMS // len(paths))):
            report.progress(f"{STREAMS:,} streams for {SECONDS} s")
            showing = asyncio.create_task(_show(runtime, turns, shown, SECONDS * PIECES_PER_SECOND))
            meanwhile = await _check(chat)
            await showing
            more = rss_megabytes(chat.pid) - before
    report.line(
        f"turns: memory of {STREAMS:,} open streams",
        f"{more:.0f} MB ({before:.0f} MB before)",
        f"under {MEGABYTES} MB",
        more < MEGABYTES,
    )
    p99 = _p99(meanwhile)
    report.line(
        f"turns: /health meanwhile, p99 ({PIECES_PER_SECOND} pieces/s, each to 10 streams)",
        f"{p99:.1f} ms (50 streams: {_p99(alone):.1f} ms)",
        f"under {P99_MS} ms",
        p99 < P99_MS,
    )


async def _show(runtime: httpx.AsyncClient, turns: list[Running], shown: dict[int, int], count: int) -> None:
    """Show the next pieces of the turns, one after the other."""
    send = post_piece(runtime)

    async def show(i: int) -> None:
        which = i % len(turns)
        shown[which] += 1
        await send(turns[which], shown[which])

    await paced(count, show, PIECES_PER_SECOND)


async def _check(chat: Service) -> list[float]:
    """Milliseconds of each ``GET /health``."""
    found: list[float] = []
    async with bare_client(chat, "operator") as client:

        async def check(_: int) -> None:
            started = time.perf_counter()
            (await client.get("/health")).raise_for_status()
            found.append((time.perf_counter() - started) * 1e3)

        await paced(SECONDS * CHECKS_PER_SECOND, check, CHECKS_PER_SECOND)
    return found


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
