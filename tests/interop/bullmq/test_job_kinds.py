"""The two kinds of jobs that the Node application adds, with its options, carried out by knowledge itself."""

from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.interop.bullmq.sides import VERSIONS, Ours, Peer, finished, node_application, told
from tests.support.knowledge import chunks_of, knowledge_service
from tests.support.node import Node

pytestmark = pytest.mark.timeout(90)

KEPT: dict[str, Any] = {"removeOnComplete": {"count": 100}, "removeOnFail": {"count": 50}}
IMMEDIATE: dict[str, Any] = {"removeOnComplete": True, "removeOnFail": {"count": 5}}


async def test_both_kinds_of_jobs_run_with_the_node_applications_options(
    database: str, redis: Redis, redis_url: str, node: Node, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Levers and buttons.")

    def data(base_id: str, source: str = "docs") -> dict[str, Any]:
        uri = (tmp_path / source).as_uri()
        return {"knowledgeBaseId": base_id, "version": "latest", "source": uri}

    service = knowledge_service(database, redis_url, tmp_path / "s", LOCAL_SOURCES_ROOT=str(tmp_path))
    async with service:
        for version in VERSIONS:
            async with node_application(node, redis_url, version) as peer:
                base_id = f"guide-{version.package}"
                immediate = await peer.add(data(base_id), name="immediate-sync", **IMMEDIATE)
                await told(peer, immediate, until="completed")
                assert await peer.snapshot(immediate) is None, "removed when completed"
                assert [row["path"] for row in await chunks_of(database, base_id)] == ["a.md"]

                asked = await finished(peer, await peer.add(data(base_id)))
                assert asked["returnvalue"]["type"] == "skipped", "the first one had done it"
                assert len(asked["returnvalue"]["sha"]) == 40
                if version.major == 5:  # BullMQ 6 has no `repeat` any more
                    await check_repeatable(peer, f"kb-sync-{base_id}", data(base_id))

                for _ in range(7):
                    job_id = await peer.add(data("none", "none"), name="immediate-sync", **IMMEDIATE)
                    await told(peer, job_id, until="failed")
                failed = await redis.zrange("bull:kb-sync:failed", 0, -1)
                assert len(failed) == 5, "as many as removeOnFail keeps"
                assert job_id in failed


async def check_repeatable(peer: Peer, key: str, data: dict[str, Any]) -> None:
    """A base's repeatable: an iteration runs, the next one waits with the same data and options."""
    first = await peer.add(data, repeat={"pattern": "0 * * * *", "key": key}, **KEPT)
    await peer.job(first, "promote")  # rather than wait for the hour
    iteration = await finished(peer, first)
    assert iteration["state"] == "completed", iteration["failedReason"]
    assert iteration["returnvalue"]["type"] == "skipped"
    assert iteration["opts"]["repeat"]["pattern"] == "0 * * * *"
    [repeatable] = await peer.queue("getRepeatableJobs")
    assert (repeatable["key"], repeatable["pattern"]) == (key, "0 * * * *")
    [following] = await peer.call("jobs", states=["delayed"])
    assert (following["name"], following["data"]) == ("sync", data)
    assert {name: following["opts"][name] for name in KEPT} == KEPT
    assert await peer.queue("removeRepeatableByKey", key)


@pytest.mark.parametrize("opened_by", ["node", "us"])
async def test_the_database_documents_redis_checks_give_the_right_answers(
    opened_by: str, node: Node, ours: Ours, redis: Redis, redis_url: str
) -> None:
    if opened_by == "node":
        async with node_application(node, redis_url, VERSIONS[0]) as peer:
            await peer.queue("waitUntilReady")
    await ours.work(concurrency=4)
    done = [await ours.add({"returns": n}, **KEPT) for n in range(4)]
    broken = [await ours.add({"fail": "no"}, **KEPT) for _ in range(3)]
    later = [await ours.add({}, delay=3_600_000) for _ in range(2)]
    for job_id in (*done, *broken):
        await finished(ours, job_id)

    execute: Any = redis.execute_command

    async def redis_cli(line: str) -> Any:
        return await execute(*line.split())

    meta = {"opts.maxLenEvents": "10000"} | ({"version": "bullmq:5.66.7"} if opened_by == "node" else {})
    assert await redis_cli("HGETALL bull:kb-sync:meta") == meta
    assert await redis_cli("ZCARD bull:kb-sync:completed") == len(done)
    assert await redis_cli("ZCARD bull:kb-sync:failed") == len(broken)
    assert await redis_cli("ZCARD bull:kb-sync:delayed") == len(later)
    assert sorted(await redis_cli("ZRANGE bull:kb-sync:failed 0 -1")) == broken
