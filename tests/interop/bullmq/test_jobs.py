"""Jobs, both ways: a Node application adds and our worker runs, and the reverse; with each BullMQ."""

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.interop.bullmq.conftest import Pair
from tests.interop.bullmq.sides import Side, finished, told
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(90)


async def test_results_progress_and_logs_come_back(pair: Pair) -> None:
    data: dict[str, Any] = {
        "returns": {"type": "full", "sha": "ü✓" * 3, "nested": [1, 2.5, None, {"deep": True}]},
        "progress": {"filesRead": 1, "filesToRead": 2},
        "logs": ["first line", "zweite Zeile ✓"],
    }
    await pair.worker.work(concurrency=4)
    added = [data, {"returns": None, "progress": 40}, {"returns": "text"}, {"returns": []}]
    ids = [await pair.producer.add(each, name="sync") for each in added]
    assert all(isinstance(job_id, str) and ":" not in job_id for job_id in ids)
    jobs = [await finished(pair.producer, job_id) for job_id in ids]
    for job, each in zip(jobs, added, strict=True):
        assert (job["state"], job["name"], job["data"]) == ("completed", "sync", each), job
        assert job["returnvalue"] == each["returns"]
        assert (job["attemptsMade"], job["attemptsStarted"], job["failedReason"]) == (1, 1, None)
        # Milliseconds, all of them; to the second, since a virtual machine's clock is set back now and then.
        assert job["timestamp"] - 1_000 <= job["processedOn"] <= job["finishedOn"] + 1_000
    assert [job["progress"] for job in jobs] == [data["progress"], 40, 0, 0]
    assert jobs[0]["logs"] == data["logs"]
    for job_id, expected in zip(ids, [["progress"], ["progress"], [], []], strict=True):
        names = await told(pair.producer, job_id, until="completed")  # by the producer's QueueEvents
        assert names == ["added", "waiting", "active", *expected, "completed"]
    [completed, *_] = [
        event
        for event in await pair.producer.events()
        if event["event"] == "completed" and event["jobId"] == ids[0]
    ]
    assert completed["returnvalue"] == data["returns"]


async def test_failures_say_why_and_are_tried_again_with_back_off(pair: Pair) -> None:
    await pair.worker.work(concurrency=8)
    add = pair.producer.add
    twice: dict[str, Any] = {"attempts": 3, "backoff": {"type": "fixed", "delay": 200}}
    once = await add({"fail": "the source is away ✗"})
    later = await add({"fail": "not yet", "succeedsAt": 3, "returns": 7}, **twice)
    growing = await add(
        {"fail": "never", "logs": ["tried"]}, attempts=3, backoff={"type": "exponential", "delay": 150}
    )
    final = await add({"fail": "it can't work", "final": True}, attempts=5)
    short = await add({"fail": "again"}, attempts=3, stackTraceLimit=1)

    job = await finished(pair.producer, once)
    assert (job["state"], job["failedReason"], job["attemptsMade"]) == ("failed", "the source is away ✗", 1)
    [trace] = job["stacktrace"]
    assert "the source is away ✗" in trace
    where = "peer.mjs" if pair.node_works else 'sides.py", line'
    assert where in trace, "the trace says where it happened"
    names = await told(pair.producer, once, until="failed")
    assert names[:4] == ["added", "waiting", "active", "failed"]

    job = await finished(pair.producer, later)
    assert (job["state"], job["returnvalue"], job["attemptsMade"]) == ("completed", 7, 3)
    assert len(job["stacktrace"]) == 2, "of the failed attempts"
    runs = await runs_of(pair.worker, later)
    assert [run["attempt"] for run in runs] == [0, 1, 2]
    assert all(gap >= 190 for gap in gaps(runs)), runs

    job = await finished(pair.producer, growing)
    assert (job["state"], job["attemptsMade"], job["logs"]) == ("failed", 3, ["tried"] * 3)
    first, second = gaps(await runs_of(pair.worker, growing))
    assert first >= 140
    assert second >= 290, "twice the first pause"

    job = await finished(pair.producer, final)
    assert (job["failedReason"], job["attemptsMade"]) == ("it can't work", 1), "what can't work isn't retried"
    job = await finished(pair.producer, short)
    assert (job["attemptsMade"], len(job["stacktrace"])) == (3, 1)


async def test_delay_priority_ids_and_deduplication_are_kept(pair: Pair, redis: Redis) -> None:
    add = pair.producer.add
    queued = time.time() * 1000
    delayed = await add({"returns": "late"}, delay=600)
    assert ((await pair.producer.snapshot(delayed)) or {})["state"] == "delayed"
    expected = {
        "last": await add({"returns": 0}, priority=30),
        "middle": await add({"returns": 0}, priority=20),
        "first": await add({"returns": 0}, priority=10),
        "plain": await add({"returns": 0}),
        "jumped": await add({"returns": 0}, lifo=True),
    }
    assert await redis.zcard("bull:kb-sync:prioritized") == 3

    mine = [await add({"returns": n}, jobId="sync-of-handbook") for n in range(2)]
    assert mine == ["sync-of-handbook"] * 2
    same = [await add({"returns": n}, deduplication={"id": "handbook"}) for n in range(3)]
    assert len(set(same)) == 1
    window = [await add({"returns": n}, deduplication={"id": "guide", "ttl": 60_000}) for n in range(2)]

    await pair.worker.work(concurrency=1)
    for job_id in (*expected.values(), mine[0], same[0], window[0], delayed):
        assert (await finished(pair.producer, job_id))["state"] == "completed"
    order = [run["id"] for run in await pair.worker.runs()]
    assert len(order) == 9
    assert order.index(expected["jumped"]) == 0, "lifo goes first"
    assert [
        job_id for job_id in order if job_id in (expected["first"], expected["middle"], expected["last"])
    ] == [
        expected["first"],
        expected["middle"],
        expected["last"],
    ]
    assert order.index(expected["plain"]) < order.index(expected["first"]), "no priority beats any"
    late = await finished(pair.producer, delayed)
    assert late["processedOn"] - queued >= 590
    assert ((await pair.producer.snapshot(mine[0])) or {})["data"] == {"returns": 0}, "the first stays"

    again = await add({"returns": 9}, deduplication={"id": "handbook"})
    assert again not in same, "without a ttl only until the job has finished"
    within = await add({"returns": 9}, deduplication={"id": "guide", "ttl": 60_000})
    assert within == window[0], "with one until it has passed"

    async def doubles() -> bool:
        names = [event["event"] for event in await pair.producer.events()]
        assert (names.count("duplicated"), names.count("deduplicated")) == (1, 4), names
        return True

    await eventually(doubles)


async def test_finished_jobs_stay_in_the_numbers_and_for_the_time_that_was_asked_for(
    pair: Pair, redis: Redis
) -> None:
    await pair.worker.work(concurrency=1)
    add = pair.producer.add

    async def kept(state: str) -> set[str]:
        jobs: Any = await redis.zrange(f"bull:kb-sync:{state}", 0, -1)
        return set(jobs)

    async def in_turn(jobs: Sequence[dict[str, Any]], **options: Any) -> list[str]:
        """One after the other: what ends in the same millisecond has the order of the ids' texts."""
        ids = []
        for job in jobs:
            ids.append(await add(job, **options))
            await finished(pair.producer, ids[-1])
            await asyncio.sleep(0.002)
        return ids

    gone = await add({"returns": 1}, removeOnComplete=True)
    fails_away = await add({"fail": "x"}, removeOnFail=True)
    counted = await in_turn([{"returns": n} for n in range(4)], removeOnComplete={"count": 2})
    assert await pair.producer.snapshot(gone) is None
    assert await pair.producer.snapshot(fails_away) is None
    assert await kept("completed") == set(counted[-2:])
    failing = await in_turn([{"fail": "x"}] * 5, removeOnFail={"count": 3})
    assert await kept("failed") == set(failing[-3:])
    assert await pair.producer.snapshot(failing[0]) is None
    assert not await redis.exists(f"bull:kb-sync:{failing[0]}", f"bull:kb-sync:{failing[0]}:logs")

    await asyncio.sleep(1.1)  # ages are in seconds
    young = await add({"returns": 1}, removeOnComplete={"age": 1, "count": 100})
    await finished(pair.producer, young)
    assert await kept("completed") == {young}, "older ones went when it came"


async def runs_of(side: Side, job_id: str) -> list[dict[str, Any]]:
    """What the worker's side ran of one job, oldest first."""
    return await eventually(lambda: _runs(side, job_id))


async def _runs(side: Side, job_id: str) -> list[dict[str, Any]]:
    return [run for run in await side.runs() if run["id"] == job_id]


def gaps(runs: list[dict[str, Any]]) -> list[float]:
    """Milliseconds between one run and the next."""
    return [later["at"] - earlier["at"] for earlier, later in pairwise(runs)]
