"""The two sides of ``kb-sync``: a Node application in its own process, and this project in the test's.

Both have the same calls, so that one test can run with either as the producer and the other as the worker.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from bullmq import Job, Queue, QueueEvents  # type: ignore[import-untyped]
from redis.asyncio import Redis

from common.errors import Invalid, TransientError
from knowledge.jobs.connection import producer_client, worker_client
from knowledge.queue.worker import QueueWorker
from tests.support.node import Node
from tests.support.wait import eventually

QUEUE = "kb-sync"
LOCK_SECONDS = 30.0
"""Lock and stalled interval of a worker, as in production: a busy machine costs no job its lock."""
SHORT_LOCK_SECONDS = 0.5
"""The same, for tests in which a dead worker's job is to be recovered quickly."""

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Version:
    """A BullMQ for Node: its package, and the package that traces it."""

    name: str
    package: str
    otel: str
    major: int

    def __str__(self) -> str:
        return self.name


NODE_5_66 = Version("5.66.7", "bullmq", "bullmq-otel-1", 5)
NODE_5 = Version("5", "bullmq-5", "bullmq-otel-1", 5)
NODE_6 = Version("6", "bullmq-6", "bullmq-otel", 6)
VERSIONS = (NODE_5_66, NODE_5, NODE_6)


class Side(Protocol):
    """What a producer and a worker of either kind can do."""

    async def add(self, data: object, *, name: str = "sync", **opts: Any) -> str: ...
    async def snapshot(self, job_id: str) -> dict[str, Any] | None: ...
    async def events(self) -> list[Event]: ...
    async def runs(self) -> list[dict[str, Any]]: ...
    async def schedule(self, key: str, repeat: object, data: object, **opts: Any) -> None: ...
    async def schedulers(self) -> list[dict[str, Any]]: ...
    async def unschedule(self, key: str) -> None: ...
    async def work(self, *, concurrency: int = 1, lock_seconds: float = LOCK_SECONDS) -> None: ...
    async def rest(self) -> None: ...


async def finished(side: Side, job_id: str, *, timeout: float = 30) -> dict[str, Any]:
    """The job as ``side`` sees it, once it has completed or failed."""

    async def outcome() -> dict[str, Any]:
        job = await side.snapshot(job_id)
        assert job is not None, f"{job_id} isn't there"
        assert job["state"] in ("completed", "failed"), job
        return job

    return await eventually(outcome, timeout=timeout)


async def told(side: Side, job_id: str, *, until: str, timeout: float = 30) -> list[str]:
    """The names of the events of a job as ``side`` saw them; waits for ``until`` among them."""

    async def names() -> list[str]:
        seen = [str(event["event"]) for event in await side.events() if event.get("jobId") == job_id]
        assert until in seen, seen
        return seen

    return await eventually(names, timeout=timeout)


class Peer:
    """A Node application (``peer.mjs``)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._calls = 0

    async def call(self, op: str, **arguments: Any) -> Any:
        """One call of ``peer.mjs``, its result as JSON. Raises ``AssertionError`` with Node's own error."""
        self._calls += 1
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": self._calls, "op": op, **arguments}).encode() + b"\n")
        await self._process.stdin.drain()
        while line := await asyncio.wait_for(self._process.stdout.readline(), 30):
            answer = json.loads(line)
            if answer["call"] == self._calls:
                assert "error" not in answer, answer.get("error")
                return answer["result"]
        raise AssertionError(f"Node ended with {await self._process.wait()} in {op}")

    async def queue(self, method: str, *args: object) -> Any:
        """A method of Node's ``Queue``."""
        return await self.call("queue", method=method, args=args)

    async def job(self, job_id: str, method: str, *args: object) -> None:
        """A method of Node's ``Job``."""
        await self.call("job", id=job_id, method=method, args=args)

    async def board(self, method: str, path: str, **more: Any) -> Any:
        """The answer of Bull Board's API, whose status must be a success."""
        answer = await self.call("board", method=method, path=path, **more)
        assert answer["status"] < 300, answer
        return answer["body"]

    async def add(self, data: object, *, name: str = "sync", **opts: Any) -> str:
        return str(await self.call("add", name=name, data=data, opts=opts))

    async def snapshot(self, job_id: str) -> dict[str, Any] | None:
        job: dict[str, Any] | None = await self.call("snapshot", id=job_id)
        return job

    async def events(self) -> list[Event]:
        events: list[Event] = await self.call("events")
        return events

    async def runs(self) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = await self.call("runs")
        return runs

    async def schedule(self, key: str, repeat: object, data: object, **opts: Any) -> None:
        template = {"name": "sync", "data": data, "opts": opts}
        await self.call("schedule", id=key, repeat=repeat, template=template)

    async def schedulers(self) -> list[dict[str, Any]]:
        schedulers: list[dict[str, Any]] = await self.queue("getJobSchedulers")
        return schedulers

    async def unschedule(self, key: str) -> None:
        assert await self.queue("removeJobScheduler", key)

    async def work(
        self, *, concurrency: int = 1, lock_seconds: float = LOCK_SECONDS, returns: object = None
    ) -> None:
        """``returns``: what a job returns whose data don't say."""
        lock = int(lock_seconds * 1000)
        options = {"concurrency": concurrency, "lockDuration": lock, "stalledInterval": lock}
        await self.call("work", returns=returns, **options)

    async def rest(self) -> None:
        await self.call("rest")

    async def kill(self) -> None:
        """SIGKILL: what it holds stays unchanged."""
        self._process.kill()
        await self._process.wait()

    async def end(self) -> None:
        """Close it; kill it if it doesn't."""
        if self._process.returncode is None and self._process.stdin is not None:
            self._process.stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 5)
        if self._process.returncode is None:
            await self.kill()


@asynccontextmanager
async def node_application(
    node: Node, redis_url: str, version: Version, *, traced: bool = False
) -> AsyncIterator[Peer]:
    """A Node application on ``kb-sync``, with ``version`` of BullMQ."""
    argument = {"redis": redis_url, "bullmq": version.package, "otel": version.otel if traced else None}
    peer = Peer(await node.start("bullmq/peer.mjs", argument))
    try:
        yield peer
    finally:
        await peer.end()


class Ours:
    """This project: its worker around :func:`scripted`, and the Python port's queue as the producer."""

    def __init__(self, redis_url: str, client: Redis) -> None:
        self._redis_url, self._client = redis_url, client
        self.queue = Queue(QUEUE, {"connection": client})
        self._runs: list[dict[str, Any]] = []
        self._seen: list[Event] = []
        self._working: asyncio.Task[None] | None = None

    def watch(self, client: Redis) -> Any:
        """Follow QueueEvents. Close what this returns."""
        events = QueueEvents(QUEUE, {"connection": client, "lastEventId": "0"})
        for name in (
            "added",
            "waiting",
            "delayed",
            "active",
            "progress",
            "completed",
            "failed",
            "duplicated",
        ):
            events.on(name, lambda told, _, name=name: self._seen.append({"event": name, **told}))
        events.on("deduplicated", lambda told, _: self._seen.append({"event": "deduplicated", **told}))
        events.on("stalled", lambda told, _: self._seen.append({"event": "stalled", **told}))
        return events

    async def add(self, data: object, *, name: str = "sync", **opts: Any) -> str:
        return str((await self.queue.add(name, data, opts)).id)

    async def snapshot(self, job_id: str) -> dict[str, Any] | None:
        job = await Job.fromId(self.queue, job_id)
        if job is None:
            return None
        state = await job.getState()
        job = await Job.fromId(self.queue, job_id)  # again: the state is newer than what was read before it
        logs = await self.queue.getJobLogs(job_id)
        fields = (
            *("id", "name", "data", "opts", "returnvalue", "failedReason", "stacktrace", "progress"),
            *("attemptsMade", "attemptsStarted", "stalledCounter", "processedOn", "finishedOn", "timestamp"),
            "repeatJobKey",
        )
        return {field: getattr(job, field) for field in fields} | {"state": state, "logs": logs["logs"]}

    async def events(self) -> list[Event]:
        return self._seen

    async def runs(self) -> list[dict[str, Any]]:
        return self._runs

    async def schedule(self, key: str, repeat: object, data: object, **opts: Any) -> None:
        await self.queue.upsertJobScheduler(key, repeat, "sync", data, opts)

    async def schedulers(self) -> list[dict[str, Any]]:
        schedulers: list[dict[str, Any]] = await self.queue.getJobSchedulers()
        return schedulers

    async def unschedule(self, key: str) -> None:
        assert await self.queue.removeJobScheduler(key) == 0

    async def work(self, *, concurrency: int = 1, lock_seconds: float = LOCK_SECONDS) -> None:
        worker = QueueWorker(
            self._redis_url, self._handle, concurrency=concurrency, grace_seconds=2, lock_seconds=lock_seconds
        )
        self._working = asyncio.create_task(worker.run())
        await eventually(lambda: worker.running)

    async def rest(self) -> None:
        if self._working is not None:
            self._working.cancel()
            with suppress(asyncio.CancelledError):
                await self._working
            self._working = None

    async def _handle(self, job: Job) -> Any:
        loop_time = asyncio.get_running_loop().time() * 1000
        run = {"id": job.id, "name": job.name, "data": job.data, "attempt": job.attemptsMade, "at": loop_time}
        self._runs.append(run)
        return await scripted(job)


async def scripted(job: Job) -> Any:
    """What a job's data say, as ``scripted`` in ``peer.mjs``; ``block`` seconds hold up the whole process."""
    script = job.data
    if "progress" in script:
        await job.updateProgress(script["progress"])
    for line in script.get("logs", ()):
        await job.log(line)
    if script.get("hold"):
        await asyncio.Event().wait()
    time.sleep(script.get("block", 0))  # noqa: ASYNC251 (what a handler must not do)
    if script.get("fail") and job.attemptsMade + 1 != script.get("succeedsAt"):
        raise (Invalid if script.get("final") else TransientError)(script["fail"])
    return script.get("returns")


@asynccontextmanager
async def this_project(redis_url: str) -> AsyncIterator[Ours]:
    """Our side, watching the queue's events."""
    client, blocking = producer_client(redis_url), worker_client(redis_url)
    ours = Ours(redis_url, client)
    events = ours.watch(blocking)
    try:
        yield ours
    finally:
        await ours.rest()
        await events.close()
        await client.aclose()
        await blocking.aclose()
