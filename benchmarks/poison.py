"""The cost of one poison entry in a hundred for the healthy ones.

A poison entry makes its handler raise. It is tried five times and then becomes a dead letter. The service is
the tests' probe, which writes one row and one fact for each command.
"""

import asyncio
import time
from typing import Any
from uuid import uuid4

import orjson
from redis.asyncio import Redis

from benchmarks.report import Report
from benchmarks.world import World, median
from tests.integration.backbone import probe as probing

PER_SECOND, SECONDS, ROUNDS = 200, 5, 5


async def run(world: World, report: Report) -> None:
    """Alternate clean and poisoned loads; report medians of the rounds' p99."""
    clean, poisoned = [], []
    async with Redis.from_url(world.redis.url, decode_responses=True) as redis:
        seen = probing.World(world.postgres.url, world.redis.url, redis)
        await seen.prepare()
        probe = probing.Probe()
        probe.failing = {f"poison-{i}": ValueError("boom") for i in range(10_000)}
        async with seen.running(probe):
            for number in range(ROUNDS):
                report.progress(f"poison, round {number + 1} of {ROUNDS}")
                clean.append(await _p99(redis, poison=False))
                poisoned.append(await _p99(redis, poison=True))
                probe.attempts.clear()
    before, after = median(clean), median(poisoned)
    report.line("poison: p99 of healthy entries without any", f"{before:.1f} ms")
    report.line(
        "poison: p99 with one in each hundred", f"{after:.1f} ms", "at most twice that", after <= 2 * before
    )


async def _p99(redis: Redis, *, poison: bool) -> float:
    total, sent, latencies = PER_SECOND * SECONDS, dict[int, float](), list[float]()
    base = int(time.time() * 1000) % 1_000_000_000
    healthy = total - (total // 100 if poison else 0)
    last: Any = (await redis.xrevrange(probing.FACTS, count=1) or [("0", {})])[0][0]

    async def follow() -> None:
        nonlocal last
        while len(latencies) < healthy:
            answer: Any = await redis.xread({probing.FACTS: last}, block=1_000, count=100)
            now = time.perf_counter()
            for _, entries in answer.items() if isinstance(answer, dict) else answer:
                for entry_id, fields in entries[0] if entries and isinstance(entries[0], list) else entries:
                    last = entry_id
                    value = orjson.loads(fields["data"]).get("value")
                    if value in sent:
                        latencies.append(now - sent.pop(value))

    following = asyncio.create_task(follow())
    started = time.perf_counter()
    for i in range(total):
        await asyncio.sleep(max(0.0, started + i / PER_SECOND - time.perf_counter()))
        bad = poison and i % 100 == 50
        subject = f"poison-{i}" if bad else f"s{i % 50}"
        if not bad:
            sent[base + i] = time.perf_counter()
        data = orjson.dumps({"subject": subject, "value": base + i})
        await redis.xadd(probing.COMMANDS, {"id": str(uuid4()), "type": probing.Note.type, "data": data})
    await asyncio.wait_for(following, 60)
    return sorted(latencies)[int(len(latencies) * 0.99)] * 1e3
