"""Commands in, facts out."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.knowledge.service.asking import events, synced
from tests.support.knowledge import Jobs, fetch
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(120)


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
