"""A backlog of a million entries is drained at full speed, with constant memory."""

import os
import time

from benchmarks.report import Report
from benchmarks.world import World, packed, rss_megabytes, until
from tests.support.services import Service

ENTRIES = int(os.environ.get("BACKLOG", "1000000"))


async def run(world: World, report: Report) -> None:
    """Fill the stream first, then start one chat process and watch it."""
    redis = world.client()
    await redis.delete("chat.commands", "chat.events")
    conversations = await world.make_conversations(1_000)
    report.progress(f"backlog: publishing {ENTRIES:,} entries")
    for start in range(0, ENTRIES, 10_000):
        await world.publish(list(packed(conversations, min(10_000, ENTRIES - start))))
    chat = Service(
        "chat",
        database_url=world.postgres.url,
        redis_url=world.redis.url,
        folder=world.folder / "backlog",
        environment={"LOG_LEVEL": "warning"},
        anew=True,
    )
    await chat.start(timeout=60)
    started = time.perf_counter()
    memory: list[float] = []
    marks: list[tuple[float, int]] = []
    shown = 0

    async def drained() -> bool:
        nonlocal shown
        done = await redis.xlen("chat.events")
        memory.append(rss_megabytes(chat.pid))
        marks.append((time.perf_counter() - started, done))
        if done - shown >= ENTRIES // 10:
            shown = done
            report.progress(f"backlog: {done:,} facts relayed, {memory[-1]:.0f} MB")
        return bool(done >= ENTRIES)

    try:
        await until(drained, interval=0.5)
    finally:
        await chat.stop()
    half = next(i for i, (_, done) in enumerate(marks) if done >= ENTRIES / 2)
    first = marks[half][1] / max(marks[half][0], 1e-9)
    second = (marks[-1][1] - marks[half][1]) / (marks[-1][0] - marks[half][0])
    report.line(f"backlog of {ENTRIES:,}: first and second half", f"{first:,.0f} and {second:,.0f} /s")
    early = max(memory[: max(1, len(memory) // 10)])
    growth = max(memory) - early
    report.line(
        "backlog: memory",
        f"{early:.0f} MB early, {max(memory):.0f} MB at most",
        "flat: within 30 MB",
        growth < 30,
    )
    await redis.delete("chat.commands", "chat.events")
    await redis.aclose()
