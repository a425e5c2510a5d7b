"""From a runtime's first piece to who follows the turn, at 200 open streams, beside the bare round trips.

Half of the streams follow a turn, half its conversation; one process reads them all. A piece's latency counts
from just before the runtime sends it until its follower has read it.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from benchmarks.report import Report
from benchmarks.turns_ways import AGENT, USER, announce, fill
from benchmarks.world import World, bare_client, median
from tests.support.services import Service

STREAMS, PER_SECOND, ROUNDS = 200, 50, 3
P50_MS, P99_MS = 10, 50
OPEN_FILES = 8_192
TTL_SECONDS = 600

Send = Callable[["Running", int], Awaitable[Any]]


@dataclass(slots=True, frozen=True)
class Running:
    """A turn that a runtime has taken."""

    conversation: UUID
    id: str
    token: str

    def paths(self) -> tuple[str, str]:
        """Of the streams that show its pieces."""
        conversation = f"/api/conversations/{self.conversation}"
        return f"{conversation}/turns/{self.id}/stream", f"{conversation}/events"


async def run(world: World, report: Report) -> None:
    """Medians of the rounds' p50 and p99."""
    found: dict[str, list[tuple[float, float]]] = {}
    async with chat_with_streams(world, STREAMS) as chat, bare_client(chat, "runtime") as runtime:
        runtime.headers.update({"X-Scope": "agent", "X-Agents": AGENT})
        for number in range(ROUNDS):
            report.progress(f"first pieces, round {number + 1} of {ROUNDS}")
            found.setdefault("bare INSERT and NOTIFY", []).append(await _notified(world))
            found.setdefault("plain XADD to XREAD", []).append(await _read(world))
            for way, send in (("HTTP", post_piece(runtime)), ("XADD", add_piece(world))):
                turns = [await take(world, runtime) for _ in range(STREAMS)]
                latencies = await _relayed(chat, turns, send)
                found.setdefault(f"first piece by {way} to its follower", []).append(_quantiles(latencies))
    for what, rounds in found.items():
        p50, p99 = (median([each[i] for each in rounds]) for i in (0, 1))
        if what.startswith("first"):
            report.line(f"turns: {what}, p50", f"{p50:.1f} ms", f"under {P50_MS} ms", p50 < P50_MS)
            report.line(f"turns: {what}, p99", f"{p99:.1f} ms", f"under {P99_MS} ms", p99 < P99_MS)
        else:
            report.line(f"turns: {what}", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms")


async def _relayed(chat: Service, turns: Sequence[Running], send: Send) -> list[float]:
    """Of each turn's first piece to its follower, in milliseconds."""
    paths = [turn.paths()[i % 2] for i, turn in enumerate(turns)]
    async with following(chat, paths) as latencies:
        await paced(len(turns), lambda i: send(turns[i], 1))
        return await latencies(len(turns))


@asynccontextmanager
async def chat_with_streams(world: World, streams: int) -> AsyncIterator[Service]:
    """A process of chat that lets one user open so many streams."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))  # what is started from now on has it too
    chat = Service(
        "chat",
        database_url=world.postgres.url,
        redis_url=world.redis.url,
        folder=world.folder / "turns",
        environment={
            "LOG_LEVEL": "warning",
            "EVENT_STREAMS_MAX": str(streams + 100),
            "EVENT_STREAMS_PER_USER": str(streams + 100),
            "HTTP_MAX_CONNECTIONS": str(streams + 500),
        },
        anew=True,
    )
    await chat.start()
    try:
        await announce(world, chat)
        yield chat
    finally:
        await chat.stop()


async def take(world: World, runtime: httpx.AsyncClient) -> Running:
    """A turn in a new conversation."""
    conversation = await fill(world, 0)
    path = f"/api/conversations/{conversation}/turns"
    answer = await runtime.post(path, json={"ttlSeconds": TTL_SECONDS})
    taken = answer.raise_for_status().json()["data"]
    return Running(conversation, taken["turnId"], taken["token"])


def _piece(number: int) -> dict[str, Any]:
    return {"number": number, "type": "text", "content": f"sent {time.perf_counter()}|" + "x" * 20}


def post_piece(runtime: httpx.AsyncClient) -> Send:
    """Send a piece by a request of its own."""

    async def send(turn: Running, number: int) -> None:
        path = f"/api/conversations/{turn.conversation}/turns/{turn.id}/chunks"
        headers = {"X-Turn-Token": turn.token, "Content-Type": "application/x-ndjson"}
        answer = await runtime.post(path, content=json.dumps(_piece(number)) + "\n", headers=headers)
        answer.raise_for_status()

    return send


def add_piece(world: World) -> Send:
    """Send a piece by the stream."""
    redis = world.client()

    async def send(turn: Running, number: int) -> None:
        about = {"conversationId": str(turn.conversation), "turnId": turn.id, "token": turn.token}
        fields: Any = {
            "id": str(uuid4()),
            "source": "bench",
            "type": "chat.turn.chunk.v1",
            "subject": str(turn.conversation),
            "data": json.dumps(about | {"chunk": _piece(number)}),
        }
        await redis.xadd("chat.turns", fields)

    return send


@asynccontextmanager
async def following(
    chat: Service, paths: Sequence[str]
) -> AsyncIterator[Callable[[int], Awaitable[list[float]]]]:
    """Open the streams; gives a function that waits for so many pieces to have been read, and returns their
    milliseconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.turn_followers",
        "127.0.0.1",
        str(chat.port),
        USER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    sending, receiving = process.stdin, process.stdout
    assert sending is not None
    assert receiving is not None
    found: list[float] = []

    async def latencies(count: int) -> list[float]:
        while len(found) < count:
            await asyncio.sleep(0.1)
            sending.write(b"report\n")
            found.extend(json.loads(await receiving.readline()))
        now, found[:] = list(found), []
        return now

    try:
        sending.write("".join(f"{path}\n" for path in [*paths, ""]).encode())
        assert int(await receiving.readline()) == len(paths)
        yield latencies
    finally:
        sending.close()
        await process.wait()


async def paced(count: int, send: Callable[[int], Awaitable[Any]], per_second: float = PER_SECOND) -> None:
    """Send at that pace, whether or not what was sent before has been answered."""
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for i in range(count):
            await asyncio.sleep(max(0.0, started + i / per_second - time.perf_counter()))
            group.create_task(send(i))  # type: ignore[arg-type]


async def _notified(world: World) -> tuple[float, float]:
    """What Postgres needs at least: a row committed with a notification, and heard."""
    writer, listener = [await asyncpg.connect(world.postgres.url) for _ in range(2)]
    await writer.execute("CREATE TABLE IF NOT EXISTS bench_pieces (id bigint, piece text)")
    latencies: list[float] = []
    one_at_a_time, all_heard = asyncio.Lock(), asyncio.Event()

    def hear(*heard: Any) -> None:
        latencies.append((time.perf_counter() - float(heard[3])) * 1e3)
        if len(latencies) == STREAMS:
            all_heard.set()

    await listener.add_listener("bench", hear)

    async def send(i: int) -> None:
        sent = time.perf_counter()
        async with one_at_a_time:
            await writer.execute(
                "WITH piece AS (INSERT INTO bench_pieces VALUES ($1, 'x') RETURNING 1) "
                "SELECT pg_notify('bench', $2) FROM piece",
                i,
                str(sent),
            )

    await paced(STREAMS, send)
    await asyncio.wait_for(all_heard.wait(), 30)
    await asyncio.gather(writer.close(), listener.close())
    return _quantiles(latencies)


async def _read(world: World) -> tuple[float, float]:
    """What Redis needs at least: an entry added, and read by who waits for it."""
    writer, reader = world.client(), world.client()
    stream, latencies = f"bench-{uuid4()}", []

    async def follow() -> None:
        last: Any = "0"
        while len(latencies) < STREAMS:
            answer: Any = await reader.xread({stream: last}, block=1_000)
            now = time.perf_counter()
            for _, entries in answer.items() if isinstance(answer, dict) else answer:
                for entry, fields in entries[0] if entries and isinstance(entries[0], list) else entries:
                    last = entry
                    latencies.append((now - float(fields[b"sent"])) * 1e3)

    following = asyncio.create_task(follow())
    await paced(STREAMS, lambda _: writer.xadd(stream, {"sent": str(time.perf_counter())}))
    await following
    await asyncio.gather(writer.aclose(), reader.aclose())
    return _quantiles(latencies)


def _quantiles(latencies: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(latencies)
    return ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
