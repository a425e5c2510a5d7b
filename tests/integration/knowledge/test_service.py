"""The real process: HTTP, the stream of commands, the queue, and what it survives."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.github import Answer, GitRepository, serve_github
from tests.support.knowledge import Jobs, chunks_of, fetch, knowledge_service, state_of
from tests.support.servers import RedisServer, free_port
from tests.support.services import Service
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A folder with two pages, and the settings file that declares it as ``guide``."""
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "levers.md").write_text("# Levers\n\nPull the red lever to stop the machine.")
    (folder / "deep" / "buttons.md").write_text("# Buttons\n\nThe green button starts the machine. " * 40)
    (tmp_path / "bases.yaml").write_text(
        "knowledgeBases:\n- {id: guide, name: Guide, description: How to, source: docs, "
        "refreshSchedule: 0 * * * *}\n"
    )
    return folder


@pytest.fixture
async def service(
    database: str, redis: Redis, redis_url: str, docs: Path, tmp_path: Path
) -> AsyncIterator[Service]:
    environment = {
        "KNOWLEDGE_BASES_FILE": str(tmp_path / "bases.yaml"),
        "LOCAL_SOURCES_ROOT": str(tmp_path),
    }
    async with knowledge_service(database, redis_url, tmp_path / "service", **environment) as service:
        yield service


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with service.client() as client:
        yield client


@pytest.fixture
def jobs(redis: Redis) -> Jobs:
    return Jobs(redis)


async def synced(client: httpx.AsyncClient, base_id: str = "guide") -> dict[str, Any]:
    """The base, once its first sync is through."""

    async def view() -> dict[str, Any] | None:
        base: dict[str, Any] = (await client.get(f"/api/knowledge-bases/{base_id}")).json()["data"]
        return base if base["lastCommitSha"] else None

    base: dict[str, Any] | None = await eventually(view, timeout=20)
    assert base is not None
    return base


async def events(redis: Redis) -> list[dict[str, str]]:
    """What was published on ``knowledge.events``."""
    entries: Any = await redis.xrange("knowledge.events")
    return [fields for _, fields in entries]


async def test_a_declared_base_is_synced_at_start_and_shown(client: httpx.AsyncClient, docs: Path) -> None:
    base = await synced(client)
    sha, moment = base.pop("lastCommitSha"), base.pop("lastSyncedAt")
    assert base == {
        "id": "guide",
        "name": "Guide",
        "description": "How to",
        "version": "latest",
        "documentCount": 2,
        "state": "idle",
        "lastError": None,
        "refreshSchedule": "0 * * * *",
        "source": docs.as_uri(),
        "extensions": [".md", ".txt"],
        "include": [],
        "exclude": [],
        "chunkSize": 1000,
        "chunkOverlap": 200,
        "public": True,
        "origin": "settings",
        "versions": ["latest"],
    }
    assert len(sha) == 40
    assert moment.endswith("Z")
    [listed] = (await client.get("/api/knowledge-bases")).json()["data"]
    assert listed.items() <= {**base, "lastCommitSha": sha, "lastSyncedAt": moment}.items()
    assert "extensions" not in listed, "the list is the Node application's"


async def test_search_answers_content_score_and_metadata(client: httpx.AsyncClient) -> None:
    await synced(client)
    path = "/api/knowledge-bases/guide/search"
    answer = await client.get(path, params={"q": "how do I stop the machine with a lever?", "limit": 1})
    [hit] = answer.json()["data"]
    assert hit["content"].startswith("# Levers")
    assert hit["metadata"] == {"sourceFile": "levers.md", "chunkIndex": 0, "totalChunks": 1}
    assert 0.2 < hit["score"] < 1
    assert len((await client.get(path, params={"q": "machine"})).json()["data"]) == min(
        5, len((await client.get(path, params={"q": "machine", "limit": 50})).json()["data"])
    )


async def test_a_bad_search_is_a_400(client: httpx.AsyncClient) -> None:
    bad_limits = [{"q": "x", "limit": limit} for limit in ("0", "-5", "51", "ten", "1.5", "")]
    for params in [{}, {"q": ""}, {"q": "x\x00"}, {"q": "x" * 8001}, *bad_limits]:
        answer = await client.get("/api/knowledge-bases/guide/search", params=params)
        assert answer.status_code == 400, params
        assert answer.json()["error"] == "Validation failed"


async def test_callers_are_required_and_unknown_bases_are_not_found(service: Service) -> None:
    paths = ["", "/guide", "/guide/search?q=x", "/guide/agents"]
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as nobody:
        for path in paths:
            answer = await nobody.get(f"/api/knowledge-bases{path}")
            assert (answer.status_code, answer.json()) == (401, {"error": "Not authenticated"})
        assert (await nobody.post("/api/knowledge-bases/guide/sync")).status_code == 401
    async with service.client() as client:
        for method, path in [("GET", ""), ("GET", "/search?q=x"), ("GET", "/agents"), ("POST", "/sync")]:
            answer = await client.request(method, f"/api/knowledge-bases/none{path}")
            assert (answer.status_code, answer.json()) == (404, {"error": "Knowledge base not found"})


async def test_agents_are_the_custom_agents_that_name_the_base(
    client: httpx.AsyncClient, database: str
) -> None:
    insert = (
        "INSERT INTO custom_agents (user_id, name, system_prompt, model, knowledge_bases) "
        "VALUES ('user-1', $1, 'p', 'm', $2::text::jsonb) RETURNING id"
    )
    [named] = await fetch(database, insert, "a", '["guide", "other"]')
    await fetch(database, insert, "b", '["guidebook"]')
    answer = await client.get("/api/knowledge-bases/guide/agents")
    assert answer.json() == {"data": [str(named["id"])]}


async def test_a_sync_over_http_is_queued_and_carried_out(
    client: httpx.AsyncClient, docs: Path, jobs: Jobs, database: str
) -> None:
    await synced(client)
    (docs / "levers.md").write_text("The blue lever opens the hatch.")
    answer = await client.post("/api/knowledge-bases/guide/sync")
    assert answer.status_code == 200
    assert answer.json()["data"]["status"] == "queued"
    outcome = await jobs.finished(answer.json()["data"]["jobId"])
    assert outcome["result"] | {"sha": ""} == {
        "type": "incremental",
        "sha": "",
        "added": 0,
        "modified": 1,
        "removed": 0,
        "chunksCreated": 1,
    }
    assert outcome["result"]["sha"] == await state_of(database, "guide")


async def test_a_command_has_exactly_one_effect(
    client: httpx.AsyncClient, redis: Redis, database: str
) -> None:
    await synced(client)
    command = {
        "id": str(uuid4()),
        "source": "/test",
        "type": "knowledge.sync.request.v1",
        "data": json.dumps({"knowledgeBaseId": "guide", "mode": "full"}),
    }
    for _ in range(3):
        await redis.xadd("knowledge.commands", command)  # type: ignore[arg-type]
    unknown = {**command, "id": str(uuid4()), "data": '{"knowledgeBaseId": "none"}'}
    await redis.xadd("knowledge.commands", unknown)  # type: ignore[arg-type]

    async def outcome() -> list[str]:
        rows = await fetch(
            database, "SELECT status, mode, result FROM knowledge_syncs WHERE reason = 'command'"
        )
        return [
            f"{row['status']} {row['mode']} {json.loads(row['result'] or '{}').get('type')}" for row in rows
        ]

    async def done() -> bool:
        return await outcome() == ["completed full full"]

    await eventually(done, timeout=20)

    async def rejected() -> Any:
        entries = await events(redis)
        return [entry for entry in entries if entry["type"] == "knowledge.command.rejected.v1"]

    [rejection] = await eventually(rejected)
    assert json.loads(rejection["data"])["commandId"] == unknown["id"]
    assert json.loads(rejection["data"])["code"] == "knowledge_base_not_found"


async def test_facts_are_published_in_the_trace_of_the_request(
    client: httpx.AsyncClient, redis: Redis, jobs: Jobs
) -> None:
    await synced(client)
    trace = "3" * 32
    answer = await client.post(
        "/api/knowledge-bases/guide/sync", headers={"traceparent": f"00-{trace}-{'4' * 16}-01"}
    )
    job_id = answer.json()["data"]["jobId"]
    await jobs.finished(job_id)

    async def facts() -> list[dict[str, str]] | None:
        entries = [entry for entry in await events(redis) if job_id[5:] in entry["data"]]
        return entries if len(entries) == 2 else None

    published = await eventually(facts) or []
    assert [fact["type"] for fact in published] == [
        "knowledge.sync.started.v1",
        "knowledge.sync.completed.v1",
    ]
    assert {fact["traceparent"].split("-")[1] for fact in published} == {trace}
    assert {fact["subject"] for fact in published} == {"guide"}


async def test_jobs_of_one_base_wait_for_each_other_and_all_are_answered(
    client: httpx.AsyncClient, jobs: Jobs, docs: Path
) -> None:
    await synced(client)
    data = {"knowledgeBaseId": "guide", "version": "latest", "source": docs.as_uri()}
    ids = [await jobs.add({**data, "mode": "full"}) for _ in range(4)]
    outcomes = [await jobs.finished(job_id) for job_id in ids]
    assert [outcome["state"] for outcome in outcomes] == ["completed"] * 4


async def test_the_stack_is_ready_only_with_a_running_worker(client: httpx.AsyncClient) -> None:
    ready = (await client.get("/ready")).json()
    assert ready["checks"]["queue worker"] == "running"
    metrics = (await client.get("/metrics")).text
    assert "takaro_knowledge_syncs_total" in metrics


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
