"""Job schedulers, made on either side and advanced and removed by the other, and repeatables of BullMQ 5."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from bullmq import Worker  # type: ignore[import-untyped]
from redis.asyncio import Redis

from knowledge.jobs.connection import worker_client
from knowledge.queue.worker import Postponed, QueueWorker
from tests.interop.bullmq.conftest import Pair
from tests.interop.bullmq.sides import (
    NODE_5,
    NODE_5_66,
    NODE_6,
    Ours,
    Peer,
    Side,
    finished,
    node_application,
)
from tests.support.node import Node
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(90)

KEY = "kb-sync-handbook"
DATA: dict[str, Any] = {
    "knowledgeBaseId": "handbook",
    "version": "latest",
    "source": "https://github.com/acme/handbook/tree/main/docs",
}
OPTIONS: dict[str, Any] = {"removeOnComplete": {"count": 100}, "removeOnFail": {"count": 50}}
EVERY_SECOND = "* * * * * *"


async def iterations(side: Side, count: int) -> list[dict[str, Any]]:
    """The first runs of a worker, once there are ``count``."""

    async def enough() -> list[dict[str, Any]]:
        runs = await side.runs()
        assert len(runs) >= count, runs
        return runs

    return await eventually(enough, interval=0.05)


async def test_a_scheduler_of_one_side_is_advanced_by_the_other_and_removed_there(
    pair: Pair, redis: Redis
) -> None:
    other: Side = pair.worker
    await pair.producer.schedule(KEY, {"every": 300}, DATA, **OPTIONS)
    [scheduler] = await other.schedulers()
    assert (scheduler["key"], scheduler["name"], scheduler["every"]) == (KEY, "sync", 300)
    assert scheduler["template"]["data"] == DATA
    assert scheduler["template"]["opts"] == OPTIONS
    await other.work()
    runs = await iterations(other, 3)
    assert {run["name"] for run in runs} == {"sync"}
    assert all(run["data"] == DATA for run in runs)
    assert len({run["id"] for run in runs}) == len(runs), "no iteration ran twice"

    cron = "0 */6 * * *"
    await pair.producer.schedule(KEY, {"pattern": cron}, DATA, **OPTIONS)

    async def redefined() -> bool:
        [scheduler] = await other.schedulers()
        return scheduler.get("pattern") == cron and await redis.zcard("bull:kb-sync:delayed") == 1

    await eventually(redefined)
    [scheduler] = await other.schedulers()
    assert scheduler.get("every") is None
    assert scheduler["next"] % (6 * 3600 * 1000) == 0, "in UTC, on the hour"
    await other.unschedule(KEY)
    assert await pair.producer.schedulers() == []
    assert await redis.zcard("bull:kb-sync:delayed") == 0, "its next iteration went with it"
    assert not await redis.exists(f"bull:kb-sync:repeat:{KEY}")


async def test_workers_of_both_kinds_advance_one_scheduler_in_turn(peer: Peer, ours: Ours) -> None:
    await peer.schedule(KEY, {"pattern": EVERY_SECOND}, DATA, **OPTIONS)
    await ours.work()
    first = await iterations(ours, 1)
    await ours.rest()
    await peer.work()
    second = await iterations(peer, 1)
    await peer.rest()
    await ours.work()
    third = await iterations(ours, len(first) + 1)
    assert all(run["data"] == DATA for run in [*first, *second, *third])
    assert len(await ours.schedulers()) == 1


@pytest.mark.parametrize("version", [NODE_5_66, NODE_5], ids=str)
async def test_a_legacy_repeatable_runs_three_times_with_its_data(
    peer: Peer, ours: Ours, node: Node, redis: Redis, redis_url: str
) -> None:
    """As the Node application makes it; after us even BullMQ 6, which loses data by itself, keeps them."""
    await add_repeatable(peer)
    assert not await redis.hexists(f"bull:kb-sync:repeat:{KEY}", "data"), "that is what is wrong with it"
    await ours.work()
    runs = await iterations(ours, 3)
    assert all((run["name"], run["data"]) == ("sync", DATA) for run in runs)
    await ours.rest()
    async with node_application(node, redis_url, NODE_6) as six:
        await six.work()
        assert all(run["data"] == DATA for run in await iterations(six, 2))
    [repeatable] = await peer.queue("getRepeatableJobs")
    assert (repeatable["key"], repeatable["pattern"]) == (KEY, EVERY_SECOND), "still the application's own"
    assert await peer.queue("removeRepeatableByKey", KEY)
    assert await redis.zcard("bull:kb-sync:repeat") == 0
    assert await redis.zcard("bull:kb-sync:delayed") == 0


@pytest.mark.parametrize("version", [NODE_5_66], ids=str)
async def test_without_our_worker_a_legacy_repeatable_loses_its_data(
    peer: Peer, node: Node, redis: Redis, redis_url: str
) -> None:
    """What our worker's override is for: the Python port's worker and BullMQ 6's run ``{}`` from then on."""
    await add_repeatable(peer)
    async with plain_python_worker(redis_url) as runs:
        await eventually(lambda: len(runs) >= 2)
    assert (runs[0], runs[1]) == (DATA, {})
    assert await peer.queue("removeRepeatableByKey", KEY)
    await redis.flushall()

    await add_repeatable(peer)
    async with node_application(node, redis_url, NODE_6) as six:
        await six.work()
        assert [run["data"] for run in (await iterations(six, 2))[:2]] == [DATA, {}]


async def test_a_scheduler_over_the_same_key_mends_a_legacy_repeatable(
    node: Node, ours: Ours, redis: Redis, redis_url: str
) -> None:
    """The other way out, for a repeatable whose data are already lost: it is replaced, not doubled."""
    async with node_application(node, redis_url, NODE_5_66) as peer:
        await add_repeatable(peer)
        await ours.schedule(KEY, {"pattern": EVERY_SECOND}, {**DATA, "version": "2"}, **OPTIONS)
        assert await redis.zcard("bull:kb-sync:repeat") == 1
        await peer.work()
        runs = await iterations(peer, 2)
        assert [run["data"]["version"] for run in runs[:2]] == ["2", "2"]
        await peer.unschedule(KEY)


async def test_a_run_that_is_postponed_begins_later_and_has_not_failed(ours: Ours, redis_url: str) -> None:
    """As runs of a schedule are, so that a hundred hourly bases don't begin at once."""
    began: list[float] = []

    async def handle(_: Any) -> dict[str, Any]:
        began.append(time.time() * 1000)
        if len(began) == 1:
            raise Postponed(int(began[0]) + 400)
        return {}

    worker = asyncio.create_task(QueueWorker(redis_url, handle, concurrency=1, grace_seconds=2).run())
    job = await finished(ours, await ours.add(DATA))
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    assert (job["state"], job["stacktrace"], job["attemptsMade"]) == ("completed", [], 1)
    first, second = began
    assert second - first >= 390


async def add_repeatable(peer: Peer) -> None:
    """What the Node application does for a base with a schedule, here for each second."""
    await peer.add(DATA, repeat={"pattern": EVERY_SECOND, "key": KEY}, **OPTIONS)


@asynccontextmanager
async def plain_python_worker(redis_url: str) -> AsyncIterator[list[Any]]:
    """BullMQ's Python worker as it comes; gives the data of the jobs that it runs."""
    client = worker_client(redis_url)
    runs: list[Any] = []

    async def process(job: Any, _: str) -> None:
        runs.append(job.data)

    worker = Worker("kb-sync", process, {"connection": client})
    try:
        yield runs
    finally:
        await worker.close()
        await client.aclose()
