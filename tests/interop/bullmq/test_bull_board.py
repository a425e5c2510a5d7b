"""Bull Board, which people look at the queue with: its API lists, retries and cleans the jobs that we ran."""

from typing import Any

import pytest
from redis.asyncio import Redis

from tests.interop.bullmq.sides import Ours, Peer, finished

pytestmark = pytest.mark.timeout(60)

QUEUE = "/api/queues/kb-sync"


async def test_our_jobs_and_schedulers_are_listed_retried_and_cleaned(
    peer: Peer, ours: Ours, redis: Redis
) -> None:
    await ours.work()
    done = await ours.add({"returns": {"type": "skipped"}, "progress": 50, "logs": ["one", "two"]})
    failed = await ours.add({"fail": "the source is away"}, jobId="sync-of-handbook")
    doomed = [await ours.add({"fail": "x"}) for _ in range(2)]
    delayed = await ours.add({"returns": "early"}, delay=3_600_000)
    for job_id in (done, failed, *doomed):
        await finished(ours, job_id)

    [listed] = (await peer.board("get", "/api/queues", query={"activeQueue": "kb-sync"}))["queues"]
    counts = {state: count for state, count in listed["counts"].items() if count}
    assert counts == {"completed": 1, "failed": 3, "delayed": 1}
    assert not listed["hasWorkers"], "it can't see the Python port's: the runbook says so"
    by_id = {job["id"]: job for job in listed["jobs"]}
    assert set(by_id) == {done, failed, *doomed, delayed}
    assert by_id[done]["returnValue"] == {"type": "skipped"}
    assert (by_id[done]["progress"], by_id[done]["attempts"], by_id[done]["isFailed"]) == (50, 1, False)
    assert by_id[failed]["failedReason"] == "the source is away"
    assert by_id[failed]["isFailed"]
    assert "sides.py" in by_id[failed]["stacktrace"][0]

    shown = await peer.board("get", f"{QUEUE}/{failed}")
    assert (shown["status"], shown["job"]["data"]) == ("failed", {"fail": "the source is away"})
    assert await peer.board("get", f"{QUEUE}/{done}/logs") == ["one", "two"]

    await redis.hset(f"bull:kb-sync:{failed}", "data", '{"returns": "mended"}')
    await peer.board("put", f"{QUEUE}/{failed}/retry")
    job = await finished(ours, failed)
    assert (job["state"], job["returnvalue"], job["failedReason"]) == ("completed", "mended", None)
    await peer.board("put", f"{QUEUE}/{delayed}/promote")
    assert (await finished(ours, delayed))["returnvalue"] == "early"

    await ours.rest()
    await peer.board("put", f"{QUEUE}/retry/failed")
    assert await redis.llen("bull:kb-sync:wait") == 2, "both that were left"
    await peer.board("put", f"{QUEUE}/{doomed[0]}/clean")
    assert await ours.snapshot(doomed[0]) is None
    await ours.work()
    await finished(ours, doomed[1])
    for state in ("completed", "failed"):
        await make_older(redis, state)
        await peer.board("put", f"{QUEUE}/clean/{state}")
        assert await redis.zcard(f"bull:kb-sync:{state}") == 0
    assert not [key async for key in redis.scan_iter("bull:kb-sync:sync-*")]

    await ours.schedule("kb-sync-handbook", {"pattern": "0 * * * *"}, {"returns": 1})
    [scheduler] = (await peer.board("get", "/api/job-schedulers"))["schedulers"]
    assert (scheduler["id"], scheduler["pattern"]) == ("kb-sync-handbook", "0 * * * *")
    await peer.board("put", f"{QUEUE}/job-schedulers/kb-sync-handbook/remove")
    assert await ours.schedulers() == []


async def make_older(redis: Redis, state: str) -> None:
    """Pretend that the jobs of a state finished a minute ago: the board cleans none of the last 5 s."""
    jobs: Any = await redis.zrange(f"bull:kb-sync:{state}", 0, -1, withscores=True)
    for job_id, finished_on in jobs:
        earlier = int(finished_on) - 60_000
        await redis.zadd(f"bull:kb-sync:{state}", {job_id: earlier})
        await redis.hset(f"bull:kb-sync:{job_id}", "finishedOn", str(earlier))
