"""The service over HTTP: what it shows, and to whom."""

from pathlib import Path

import httpx
import pytest

from tests.integration.knowledge.service.asking import synced
from tests.support.knowledge import Jobs, fetch, state_of
from tests.support.plain_http import NO_TLS
from tests.support.services import Service

pytestmark = pytest.mark.timeout(120)


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
        "notices": [],
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
    place = {"sourceFile": "levers.md", "chunkIndex": 0, "totalChunks": 1}
    assert hit["metadata"] == place | {"title": "Levers", "headings": ["Levers"]}
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
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, verify=NO_TLS) as nobody:
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
    await fetch(database, insert.replace("user-1", "user-2"), "of another user", '["guide"]')
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


async def test_the_stack_is_ready_only_with_a_running_worker(client: httpx.AsyncClient) -> None:
    ready = (await client.get("/ready")).json()
    assert ready["checks"]["queue worker"] == "running"
    metrics = (await client.get("/metrics")).text
    assert "takaro_knowledge_syncs_total" in metrics
