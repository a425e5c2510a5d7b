"""Faults of BullMQ that would stop the queue permanently, or lose its jobs. Each is prevented.

Other files have more: a ``CancelledError`` out of a handler, a close while Redis is down, a job that outlives
its lock in ``tests/integration/knowledge/test_worker.py``, legacy repeatables in ``test_schedulers.py``.
"""

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.interop.bullmq.sides import SHORT_LOCK_SECONDS, VERSIONS, Ours, finished, node_application
from tests.interop.bullmq.test_recovery import active, let_go, our_worker_process
from tests.support.knowledge import Jobs, chunks_of, knowledge_service
from tests.support.node import Node

pytestmark = pytest.mark.timeout(90)


async def test_whoever_resumes_with_bullmq_5_loses_jobs_and_nobody_else_does(
    node: Node, ours: Ours, redis: Redis, redis_url: str
) -> None:
    """The runbook's rule: never resume through 5.x; through us or 6.x it is safe, whoever paused.

    5.x keeps the jobs of a paused queue in a separate list and renames that to ``wait``, where all other
    programs continue to add.
    """
    async with AsyncExitStack() as stack:
        peers = {
            str(version): await stack.enter_async_context(node_application(node, redis_url, version))
            for version in VERSIONS
        }

        async def switch(who: str, method: str) -> None:
            if who == "ours":
                await getattr(ours.queue, method)()
            else:
                await peers[who].queue(method)

        left: dict[tuple[str, str], int] = {}
        for pauser, resumer in product([*peers, "ours"], repeat=2):
            await redis.flushall()
            await ours.add({})
            await switch(pauser, "pause")
            await ours.add({})
            await peers["5.66.7"].add({})
            await switch(resumer, "resume")
            left[pauser, resumer] = await redis.llen("bull:kb-sync:wait")
    assert {resumer for (_, resumer), jobs in left.items() if jobs == 3} == {"6", "ours"}
    assert {resumer for (_, resumer), jobs in left.items() if jobs < 3} == {"5.66.7", "5"}


async def test_our_worker_runs_nothing_while_paused_and_everything_afterwards(
    ours: Ours, redis: Redis
) -> None:
    await ours.work()
    await ours.queue.pause()
    ids = [await ours.add({"returns": n}) for n in range(3)]
    assert await redis.llen("bull:kb-sync:wait") == 3
    await ours.queue.resume()
    assert [(await finished(ours, job_id))["returnvalue"] for job_id in ids] == [0, 1, 2]


async def test_a_worker_that_idled_takes_its_next_job_at_once(ours: Ours, redis: Redis) -> None:
    """redis-py's ``socket_timeout`` of 5 s would end its blocking wait with an error and a second's pause."""
    await ours.work()
    await asyncio.sleep(5.3)  # just past that timeout, and past one wait for a job
    job_id = await ours.add({"returns": 1})
    assert (await finished(ours, job_id))["returnvalue"] == 1
    times: Any = await redis.hmget(f"bull:kb-sync:{job_id}", "timestamp", "processedOn")
    added, taken = map(int, times)
    assert taken - added < 600  # ms


async def test_a_large_sync_under_a_short_lock_runs_once_and_holds_nothing_up(
    database: str, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    """The lock is renewed meanwhile, and HTTP answered (``tests/integration/knowledge/test_threads.py``)."""
    (tmp_path / "docs").mkdir()
    words = " ".join(f"lever{n} button{n * 7} wheel{n * 13}" for n in range(25_000))
    for n in range(4):
        (tmp_path / "docs" / f"{n}.md").write_text(f"{n} {words}")
    data: dict[str, Any] = {
        "knowledgeBaseId": "large",
        "version": "latest",
        "source": (tmp_path / "docs").as_uri(),
        "chunkSize": 8000,
    }
    jobs = Jobs(redis)
    settings = {"LOCAL_SOURCES_ROOT": str(tmp_path), "SYNC_LOCK_SECONDS": "1"}
    async with knowledge_service(database, redis_url, tmp_path / "s", **settings) as service:
        started = time.monotonic()
        job_id = await jobs.add(data)
        async with service.client() as client:
            slowest = 0.0
            while await redis.hget(f"bull:kb-sync:{job_id}", "finishedOn") is None:
                asked = time.monotonic()
                assert (await client.get("/health")).status_code == 200
                slowest = max(slowest, time.monotonic() - asked)
                assert time.monotonic() - started < 60
                await asyncio.sleep(0.02)
        outcome = await jobs.finished(job_id)
        assert outcome["state"] == "completed", outcome["reason"]
    assert slowest < 1, "the event loop is never held for as long as the lock"
    assert await redis.hget(f"bull:kb-sync:{job_id}", "ats") == "1", "started once"
    assert not await redis.hexists(f"bull:kb-sync:{job_id}", "stc"), "never stalled"
    assert len({row["path"] for row in await chunks_of(database, "large")}) == 4


async def test_blocking_code_makes_a_job_run_twice_and_harms_neither_result_nor_worker(
    ours: Ours, redis: Redis, redis_url: str
) -> None:
    """Why work runs in threads, and why a sync is fenced by its own lease, not by BullMQ's lock."""
    async with our_worker_process(redis_url):
        job_id = await ours.add({"block": 2, "returns": "too late"})
        await active(ours, job_id)
        await let_go(redis, job_id)
        await ours.work(lock_seconds=SHORT_LOCK_SECONDS)
        assert (await finished(ours, job_id))["returnvalue"] == "second time"
        await ours.rest()
        following = await ours.add({"returns": "by the one that blocked"})
        assert (await finished(ours, following))["returnvalue"] == "by the one that blocked"
    assert (await finished(ours, job_id))["returnvalue"] == "second time", "who lost the lock can't overwrite"
