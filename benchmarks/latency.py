"""From XADD to the fact in chat.events at a tenth of the full load, compared with a stream round trip."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import orjson
from redis.asyncio import Redis

from benchmarks.report import Report
from benchmarks.world import TEXT, World, median
from tests.support.services import Service

PER_SECOND, SECONDS, ROUNDS = 700, 5, 5


async def run(world: World, report: Report) -> None:
    """Run five rounds of five seconds; report medians of the rounds' p50 and p99."""
    chat = Service(
        "chat",
        database_url=world.postgres.url,
        redis_url=world.redis.url,
        folder=world.folder / "latency",
        environment={"LOG_LEVEL": "warning"},
        anew=True,
    )
    await chat.start()
    try:
        ours, plain = [], []
        for number in range(ROUNDS):
            report.progress(f"latency, round {number + 1} of {ROUNDS}")
            plain.append(await _plain(world))
            ours.append(await _ours(world))
    finally:
        await chat.stop()
    p50, p99 = (median([r[i] for r in ours]) for i in (0, 1))
    floor50, floor99 = (median([r[i] for r in plain]) for i in (0, 1))
    report.line("latency: plain XADD to XREADGROUP", f"p50 {floor50:.1f} ms, p99 {floor99:.1f} ms")
    report.line("latency: XADD to fact, p50", f"{p50:.1f} ms", "under 15 ms", p50 < 15)
    report.line("latency: XADD to fact, p99", f"{p99:.1f} ms", "under 60 ms", p99 < 60)


async def _ours(world: World) -> tuple[float, float]:
    conversations = await world.make_conversations(100)
    sent: dict[str, float] = {}
    latencies: list[float] = []
    total = PER_SECOND * SECONDS
    reader = world.client()
    last = await _last_id(reader)

    async def follow() -> None:
        nonlocal last
        while len(latencies) < total:
            answer: Any = await reader.xread({"chat.events": last}, block=1_000, count=100)
            now = time.perf_counter()
            for _, entries in answer.items() if isinstance(answer, dict) else answer:
                for entry_id, fields in entries[0] if entries and isinstance(entries[0], list) else entries:
                    last = entry_id
                    data = orjson.loads(fields[b"data"])
                    if data.get("messageId") in sent:
                        latencies.append(now - sent[data["messageId"]])

    following = asyncio.create_task(follow())
    writer = world.client()
    await _paced(total, lambda i: _append(writer, str(conversations[i % 100]), sent))
    await asyncio.wait_for(following, 30)
    await reader.aclose()
    await writer.aclose()
    return _quantiles(latencies)


async def _append(redis: Redis, conversation: str, sent: dict[str, float]) -> None:
    event_id = str(uuid4())
    data = {"conversationId": conversation, "role": "user", "content": TEXT}
    sent[event_id] = time.perf_counter()
    await redis.xadd(
        "chat.commands", {"id": event_id, "type": "chat.message.append.v1", "data": orjson.dumps(data)}
    )


async def _plain(world: World) -> tuple[float, float]:
    reader, writer = world.client(), world.client()
    await reader.delete("plain")
    await reader.xgroup_create("plain", "g", mkstream=True)
    total = PER_SECOND * SECONDS
    latencies: list[float] = []
    sent: dict[bytes, float] = {}

    async def follow() -> None:
        while len(latencies) < total:
            answer: Any = await reader.xreadgroup("g", "c", {"plain": ">"}, block=1_000, count=100)
            now = time.perf_counter()
            for _, entries in answer.items() if isinstance(answer, dict) else answer:
                for entry_id, fields in entries[0] if entries and isinstance(entries[0], list) else entries:
                    latencies.append(now - sent[fields[b"n"]])
                    await reader.xack("plain", "g", entry_id)

    async def send(i: int) -> None:
        sent[str(i).encode()] = time.perf_counter()
        await writer.xadd("plain", {"n": i, "data": TEXT})

    following = asyncio.create_task(follow())
    await _paced(total, send)
    await asyncio.wait_for(following, 30)
    await reader.aclose()
    await writer.aclose()
    return _quantiles(latencies)


async def _paced(total: int, send: Any) -> None:
    started = time.perf_counter()
    for i in range(total):
        delay = started + i / PER_SECOND - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        await send(i)


def _quantiles(latencies: list[float]) -> tuple[float, float]:
    ordered = sorted(latencies)
    return ordered[len(ordered) // 2] * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3


async def _last_id(redis: Redis) -> Any:
    entries: Any = await redis.xrevrange("chat.events", count=1)
    return entries[0][0] if entries else "0"
