"""Node's BullMQ (5.66.7) and our worker on one queue."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.support.github import GitRepository, serve_github
from tests.support.knowledge import chunks_of, knowledge_service, state_of
from tests.support.node import Node
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = GitRepository(tmp_path / "handbook")
    repository.write("docs/start.md", "# Start\n\nPress the green button to begin.")
    repository.write("docs/deep/more.md", "# More\n\n" + "Every lever has a label. " * 100)
    repository.commit()
    return repository


async def test_a_job_of_the_node_application_registers_its_base_and_is_answered_as_ever(
    database: str, redis: Redis, redis_url: str, repository: GitRepository, node: Node, tmp_path: Path
) -> None:
    async with serve_github(repository) as github:
        environment = {"GITHUB_API_URL": github.api_url, "GITHUB_RAW_URL": github.raw_url}
        async with knowledge_service(database, redis_url, tmp_path, **environment):
            data = {"knowledgeBaseId": "handbook", "version": "latest", "source": github.source("docs")}
            job = {"name": "sync", "data": data, "opts": {}}
            [first] = await node.run(
                "knowledge/queue.mjs", {"redis": redis_url, "jobs": [job], "wait": 20000}
            )
            immediate = {"name": "immediate-sync", "data": data, "opts": {"removeOnComplete": True}}
            [second] = await node.run(
                "knowledge/queue.mjs", {"redis": redis_url, "jobs": [immediate], "wait": 20000}
            )
    sha = repository.git("rev-parse", "HEAD")
    rows = await chunks_of(database, "handbook")
    assert first["state"] == "completed", first["failedReason"]
    assert first["returned"] == {
        "type": "full",
        "sha": sha,
        "added": 2,
        "modified": 0,
        "removed": 0,
        "chunksCreated": len(rows),
    }
    expected = {"filesRead": 2, "filesToRead": 2, "chunksEmbedded": len(rows), "secondsLeft": 0}
    assert first["progress"].items() >= expected.items()
    assert first["progress"]["tokens"] > 0
    assert first["progress"]["rate"] > 0
    assert second["returned"] == {"type": "skipped", "sha": sha}
    assert second["state"] == "removed"
    assert await state_of(database, "handbook") == sha
    assert {row["path"] for row in rows} == {"docs/start.md", "docs/deep/more.md"}


async def test_jobs_that_can_not_be_understood_fail_with_a_reason(
    database: str, redis: Redis, redis_url: str, node: Node, tmp_path: Path
) -> None:
    good = {"knowledgeBaseId": "x", "version": "latest", "source": "https://github.com/acme/handbook"}
    bad = [
        ({}, "sync", "no data"),
        ({**good, "source": "ftp://x"}, "sync", "isn't one of https://github.com"),
        ({**good, "chunkSize": 100, "chunkOverlap": 100}, "sync", "chunkOverlap"),
        ({**good, "version": None}, "sync", "version"),
        (good, "sink", "unknown job name"),
        ({**good, "source": "file:///etc"}, "sync", "LOCAL_SOURCES_ROOT"),
    ]
    jobs = [{"name": name, "data": data, "opts": {"attempts": 5}} for data, name, _ in bad]
    async with knowledge_service(database, redis_url, tmp_path):
        results = await node.run("knowledge/queue.mjs", {"redis": redis_url, "jobs": jobs, "wait": 20000})
    for result, (_, _, reason) in zip(results, bad, strict=True):
        assert result["state"] == "failed"
        assert reason in result["returned"]["error"]
        assert reason in result["failedReason"]
        assert result["attemptsMade"] == 1, "what can never work isn't tried again"


async def test_node_reads_the_result_of_a_sync_that_was_asked_for_over_http(
    database: str, redis: Redis, redis_url: str, node: Node, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Levers and buttons.")
    registry = tmp_path / "bases.json"
    registry.write_text(json.dumps({"knowledgeBases": [{"id": "local", "source": "docs"}]}))
    async with knowledge_service(
        database, redis_url, tmp_path, KNOWLEDGE_BASES_FILE=str(registry)
    ) as service:
        traceparent = "00-11111111111111111111111111111111-2222222222222222-01"
        async with service.client() as client:
            answer = await client.post(
                "/api/knowledge-bases/local/sync", headers={"traceparent": traceparent}
            )
        assert answer.status_code == 200
        queued = answer.json()["data"]
        result = await node.run(
            "knowledge/result.mjs", {"redis": redis_url, "id": queued["jobId"], "wait": 20000}
        )

        async def told() -> list[dict[str, str]]:
            entries: Any = await redis.xrange("knowledge.events")
            return [fields for _, fields in entries if queued["jobId"][5:] in fields["data"]]

        facts = await eventually(told)  # while its relay runs
    assert queued["status"] == "queued"
    assert ":" not in queued["jobId"]
    assert result["state"] == "completed"
    assert result["returnvalue"]["type"] in ("full", "skipped")  # the first sync at start may have been first
    assert re.fullmatch("[0-9a-f]{40}", result["returnvalue"]["sha"])
    assert result["data"] == {
        "knowledgeBaseId": "local",
        "version": "latest",
        "source": (tmp_path / "docs").as_uri(),
        "extensions": [".md", ".txt"],
        "chunkSize": 1000,
        "chunkOverlap": 200,
    }
    options = json.loads(await redis.hget(f"bull:kb-sync:{queued['jobId']}", "opts") or "{}")
    assert json.loads(options["tm"])["traceparent"].startswith("00-" + "1" * 32)
    assert result["opts"]["telemetry"]["metadata"] == options["tm"], "Node's own reading of it"
    assert all(fact["traceparent"].startswith("00-" + "1" * 32) for fact in facts), "the worker goes on in it"


async def test_a_legacy_repeatable_keeps_its_data_for_three_iterations(
    database: str, redis: Redis, redis_url: str, node: Node, tmp_path: Path
) -> None:
    """BullMQ 5 leaves its repeatable without data, and another version's worker would run {} from then on."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Levers and buttons.")
    data = {"knowledgeBaseId": "local", "version": "latest", "source": (tmp_path / "docs").as_uri()}
    async with knowledge_service(database, redis_url, tmp_path, LOCAL_SOURCES_ROOT=str(tmp_path)):
        outcome = await node.run(
            "knowledge/repeatable.mjs",
            {"redis": redis_url, "data": data, "key": "kb-sync-local", "iterations": 3, "wait": 20000},
        )
    assert len(outcome["jobs"]) >= 3
    assert outcome["repeatables"] == 1
    for job in outcome["jobs"]:
        assert job["data"] == data
        assert job.get("failedReason") is None
    assert {job["returnvalue"]["type"] for job in outcome["jobs"]} == {"full", "skipped"}
