"""The queue worker by itself: what BullMQ's Python port gets wrong without our additions."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from backbone.leases import LeaseLost
from common.errors import Invalid
from knowledge.queue.worker import Handler, QueueWorker
from tests.support.knowledge import Jobs
from tests.support.servers import RedisServer, free_port
from tests.support.wait import eventually


@asynccontextmanager
async def working(
    url: str, handler: Handler, *, grace: float = 4, lock: float = 30, concurrency: int = 2
) -> AsyncIterator[QueueWorker]:
    worker = QueueWorker(url, handler, concurrency=concurrency, grace_seconds=grace, lock_seconds=lock)
    task = asyncio.create_task(worker.run())
    try:
        await eventually(lambda: worker.running)
        yield worker
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_handler_that_is_cancelled_fails_its_job_and_not_the_worker(
    redis: Redis, redis_url: str
) -> None:
    """A CancelledError that leaves a handler silently ends BullMQ's worker."""

    async def handle(job: Any) -> dict[str, Any]:
        if job.data == "cancel":
            raise asyncio.CancelledError
        return {"fine": True}

    jobs = Jobs(redis)
    async with working(redis_url, handle) as worker:
        assert (await jobs.sync("cancel"))["reason"] == "the job was cancelled"
        assert (await jobs.sync("go"))["result"] == {"fine": True}
        assert worker.running


async def test_a_permanent_failure_is_not_tried_again_and_a_passing_one_is(
    redis: Redis, redis_url: str
) -> None:
    calls: list[str] = []

    async def handle(job: Any) -> dict[str, Any]:
        calls.append(job.data)
        if job.data == "never":
            raise Invalid("it can't work")
        if calls.count("later") < 3:
            raise RuntimeError("not yet")
        return {}

    jobs = Jobs(redis)
    async with working(redis_url, handle):
        never = await jobs.sync("never", attempts=5)
        later = await jobs.sync("later", attempts=5)
    assert (never["state"], never["reason"]) == ("failed", "it can't work")
    assert later["state"] == "completed"
    assert calls == ["never", "later", "later", "later"]


async def test_a_job_that_was_overtaken_has_no_outcome_of_its_own(redis: Redis, redis_url: str) -> None:
    """It is run again. If another worker has it, or has finished it, nothing is reported about it."""
    calls: list[str] = []

    async def handle(job: Any) -> dict[str, Any]:
        calls.append(job.data)
        if calls.count(job.data) == 1:
            if job.data == "stalled":  # as when it was frozen for longer than the job's lock
                await redis.delete(f"bull:kb-sync:{job.id}:lock")
            raise LeaseLost("another process has taken over")
        return {"run": calls.count(job.data)}

    jobs = Jobs(redis)
    async with working(redis_url, handle, lock=1):
        ids = [await jobs.add(data) for data in ("stalled", "ours")]
        outcomes = [await jobs.finished(job_id) for job_id in ids]
    assert outcomes == [{"state": "completed", "result": {"run": 2}, "reason": None}] * 2


async def test_jobs_that_have_no_slot_are_left_to_other_workers(redis: Redis, redis_url: str) -> None:
    started, end = list[str](), asyncio.Event()

    async def handle(job: Any) -> dict[str, Any]:
        started.append(job.id)
        await end.wait()
        return {}

    jobs = Jobs(redis)
    async with working(redis_url, handle, concurrency=1):
        added = [await jobs.add("long") for _ in range(4)]
        await eventually(lambda: started)
        async with working(redis_url, handle, concurrency=1):
            await eventually(lambda: len(started) == 2)
            assert await redis.llen("bull:kb-sync:wait") == 2
            end.set()
            assert {(await jobs.finished(job_id))["state"] for job_id in added} == {"completed"}


async def test_a_worker_that_ended_is_replaced(redis: Redis, redis_url: str) -> None:
    async def handle(_: Any) -> dict[str, Any]:
        return {"fine": True}

    async with working(redis_url, handle) as worker:
        ended = worker._worker
        assert ended is not None

        def replaced() -> bool:
            if worker._worker is ended:
                # As if another program's CancelledError reached its loop. Again if need be: Python 3.11's
                # wait_for loses a cancellation that arrives together with Redis's answer.
                ended.cancelProcessing()
            return worker._worker is not ended and worker.running

        await eventually(replaced, interval=1)
        assert (await Jobs(redis).sync("go"))["state"] == "completed"


async def test_a_stop_in_a_job_is_bounded_although_redis_is_away(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", free_port())
    server.start()
    started = asyncio.Event()

    async def handle(_: Any) -> dict[str, Any]:
        started.set()
        await asyncio.sleep(60)
        return {}

    try:
        async with Redis.from_url(server.url, decode_responses=True) as client:
            async with working(server.url, handle, grace=4):
                await Jobs(client).add("long")
                await asyncio.wait_for(started.wait(), 10)
                server.stop()
                stopping = time.monotonic()
            assert time.monotonic() - stopping < 15
    finally:
        server.stop()


async def test_a_job_that_runs_for_longer_than_its_lock_runs_once(redis: Redis, redis_url: str) -> None:
    calls = 0

    async def handle(_: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        await asyncio.sleep(3)
        return {}

    async with working(redis_url, handle, lock=1):
        assert (await Jobs(redis).sync("long"))["state"] == "completed"
    assert calls == 1
