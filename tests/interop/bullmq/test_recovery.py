"""A worker that is killed in the middle of a job: the other kind of worker runs the job again."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.interop.bullmq.sides import (
    NODE_5_66,
    NODE_6,
    SHORT_LOCK_SECONDS,
    Ours,
    Peer,
    Side,
    finished,
    node_application,
)
from tests.support.node import Node
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(90)

_ROOT = Path(__file__).parents[3]


async def test_the_job_of_our_killed_worker_is_recovered_by_node(
    peer: Peer, redis: Redis, redis_url: str
) -> None:
    async with our_worker_process(redis_url) as killed:
        job_id = await peer.add({"hold": True}, removeOnComplete={"count": 100})
        await active(peer, job_id)
        killed.kill()
        await killed.wait()
    await let_go(redis, job_id)
    await peer.work(lock_seconds=SHORT_LOCK_SECONDS)
    await check_recovered(peer, job_id, redis)


async def test_the_job_of_a_killed_node_worker_is_recovered_by_ours(
    peer: Peer, ours: Ours, redis: Redis
) -> None:
    await peer.work(lock_seconds=SHORT_LOCK_SECONDS)
    job_id = await ours.add({"hold": True}, removeOnComplete={"count": 100})
    await active(ours, job_id)
    await peer.kill()
    await let_go(redis, job_id)
    await ours.work(lock_seconds=SHORT_LOCK_SECONDS)
    await check_recovered(ours, job_id, redis)


async def test_a_job_that_ends_two_workers_fails_and_says_why(node: Node, ours: Ours, redis_url: str) -> None:
    """Neither side retries such a job without end: ``maxStalledCount`` is 1 on both."""
    job_id = await ours.add({"hold": True})
    for version in (NODE_5_66, NODE_6):
        async with node_application(node, redis_url, version) as peer:
            await peer.work(lock_seconds=SHORT_LOCK_SECONDS)
            await active(ours, job_id, run=1 if version is NODE_5_66 else 2)
            await peer.kill()
    await ours.work(lock_seconds=SHORT_LOCK_SECONDS)
    job = await finished(ours, job_id)
    assert job["state"] == "failed"
    assert "stalled" in job["failedReason"]


async def active(side: Side, job_id: str, *, run: int = 1) -> None:
    """Wait until a worker has taken the job for the ``run``-th time."""

    async def running() -> bool:
        job = await side.snapshot(job_id)
        return job is not None and job["state"] == "active" and job["attemptsStarted"] == run

    await eventually(running)


async def let_go(redis: Redis, job_id: str) -> None:
    """From its next run on the job succeeds."""
    await redis.hset(f"bull:kb-sync:{job_id}", "data", json.dumps({"returns": "second time"}))


async def check_recovered(side: Side, job_id: str, redis: Redis) -> None:
    """It ran once more, succeeded, and left nothing behind."""
    job = await finished(side, job_id)
    assert (job["state"], job["returnvalue"]) == ("completed", "second time")
    assert (job["stalledCounter"], job["attemptsStarted"]) == (1, 2)
    entries: Any = await redis.xrange("bull:kb-sync:events")
    assert [fields["jobId"] for _, fields in entries if fields["event"] == "stalled"] == [job_id]
    assert await redis.llen("bull:kb-sync:active") == 0
    assert not await redis.exists(f"bull:kb-sync:{job_id}:lock")


@asynccontextmanager
async def our_worker_process(redis_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Our worker in a separate process."""
    command = [sys.executable, "-m", "tests.interop.bullmq.our_worker", redis_url]
    process = await asyncio.create_subprocess_exec(*command, cwd=_ROOT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
