"""Jobs, and workers and a Redis that stop."""

import asyncio
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.knowledge.service.asking import synced
from tests.support.github import Answer, GitRepository, serve_github
from tests.support.knowledge import Jobs, chunks_of, fetch, knowledge_service, state_of
from tests.support.servers import RedisServer, free_port
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(120)


async def test_jobs_of_one_base_wait_for_each_other_and_all_are_answered(
    client: httpx.AsyncClient, jobs: Jobs, docs: Path
) -> None:
    await synced(client)
    data = {"knowledgeBaseId": "guide", "version": "latest", "source": docs.as_uri()}
    ids = [await jobs.add({**data, "mode": "full"}) for _ in range(4)]
    outcomes = [await jobs.finished(job_id) for job_id in ids]
    assert [outcome["state"] for outcome in outcomes] == ["completed"] * 4


async def test_a_worker_that_was_killed_in_a_sync_is_replaced_by_another(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, jobs: Jobs
) -> None:
    repository = GitRepository(tmp_path / "repository")
    for i in range(20):
        repository.write(f"docs/{i}.md", f"Page {i}.")
    sha = repository.commit()
    async with serve_github(repository) as github:
        environment = {
            "GITHUB_API_URL": github.api_url,
            "GITHUB_RAW_URL": github.raw_url,
            "SYNC_LOCK_SECONDS": "2",
            "SYNC_DOWNLOADS": "1",
        }
        reached = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop_at_the_tenth(target: str) -> Answer | None:
            if "/raw/" in target and github.calls["raw"] >= 10 and not reached.is_set():
                loop.call_soon_threadsafe(reached.set)
            return None

        github.fault = stop_at_the_tenth
        data = {"knowledgeBaseId": "handbook", "version": "latest", "source": github.source("docs")}
        async with knowledge_service(database, redis_url, tmp_path / "first", **environment) as first:
            job_id = await jobs.add(data)
            await asyncio.wait_for(reached.wait(), 20)
            await first.kill()
            assert (
                await state_of(database, "handbook") is None
                or len(await chunks_of(database, "handbook")) == 20
            )
        async with knowledge_service(database, redis_url, tmp_path / "second", **environment):
            outcome = await jobs.finished(job_id, timeout=40)
    assert outcome["state"] == "completed"
    assert outcome["result"]["sha"] == sha
    assert len(await chunks_of(database, "handbook")) == 20


async def test_a_stop_in_a_sync_gives_the_job_back_at_once(
    database: str, redis: Redis, redis_url: str, tmp_path: Path, jobs: Jobs
) -> None:
    repository = GitRepository(tmp_path / "repository")
    repository.write("docs/a.md", "Page.")
    repository.commit()
    async with serve_github(repository) as github:
        environment = {
            "GITHUB_API_URL": github.api_url,
            "GITHUB_RAW_URL": github.raw_url,
            "HTTP_ATTEMPTS": "20",
            "HTTP_RETRY_SECONDS": "1",
            "SHUTDOWN_GRACE_SECONDS": "2",
        }
        github.fault = lambda target: Answer(503, b"") if "/raw/" in target else None
        data = {"knowledgeBaseId": "handbook", "version": "latest", "source": github.source("docs")}
        async with knowledge_service(database, redis_url, tmp_path / "first", **environment) as first:
            job_id = await jobs.add(data)

            async def running() -> bool:
                return bool(await fetch(database, "SELECT FROM knowledge_syncs WHERE status = 'running'"))

            await eventually(running, timeout=20)
            assert await first.stop() == 0
        assert await redis.zscore("bull:kb-sync:delayed", job_id) is not None
        github.fault = None
        async with knowledge_service(database, redis_url, tmp_path / "second", **environment):
            outcome = await jobs.finished(job_id)
    assert outcome["state"] == "completed"


async def test_redis_may_go_away_and_come_back(database: str, docs: Path, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", free_port())
    server.start()
    try:
        environment = {"KNOWLEDGE_BASES_FILE": str(tmp_path / "bases.yaml")}
        async with (
            knowledge_service(database, server.url, tmp_path / "service", **environment) as service,
            service.client() as client,
        ):
            await synced(client)
            server.stop()
            answer = await client.post("/api/knowledge-bases/guide/sync")
            assert answer.status_code == 200, "accepted by the database, queued later"

            async def unready() -> bool:
                return (await client.get("/ready")).status_code == 503

            await eventually(unready, timeout=20)
            server.start()
            async with Redis.from_url(server.url, decode_responses=True) as redis:
                outcome = await Jobs(redis).finished(answer.json()["data"]["jobId"], timeout=60)
            assert outcome["state"] == "completed"
    finally:
        server.stop()


async def test_an_idle_worker_picks_a_job_up_at_once(
    client: httpx.AsyncClient, jobs: Jobs, docs: Path
) -> None:
    """With redis-py's default socket timeout an idle worker does so up to five seconds late."""
    await synced(client)
    data = {"knowledgeBaseId": "guide", "version": "latest", "source": docs.as_uri()}
    slowest = 0.0
    for idle in (5.5, 1.0):
        await asyncio.sleep(idle)  # being idle for long is the condition itself
        started = asyncio.get_running_loop().time()
        await jobs.sync(data)
        slowest = max(slowest, asyncio.get_running_loop().time() - started)
    assert slowest < 2
