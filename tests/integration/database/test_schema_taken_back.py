"""The schema is taken back and migrated again under running services: they wait, then heal by themselves."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from takaro_schema.run import migrate, plan_rollback, rollback
from tests.support.services import Service, ServiceName, running
from tests.support.wait import eventually

_NAMES: tuple[ServiceName, ...] = ("chat", "knowledge", "cockpit")
_NEUTRAL = "The service is temporarily unavailable, try again"


@pytest.fixture
async def services(
    database: str, redis: Redis, redis_url: str, tmp_path: Path
) -> AsyncIterator[dict[ServiceName, Service]]:
    """The three services, with one base of the settings' file."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "levers.md").write_text("# Levers\n\nPull the red lever to stop the machine.\n")
    bases = tmp_path / "bases.yaml"
    bases.write_text("knowledgeBases:\n- {id: guide, name: Guide, description: How to, source: docs}\n")
    environment = {"KNOWLEDGE_BASES_FILE": str(bases), "LOCAL_SOURCES_ROOT": str(tmp_path)}
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                running(
                    name, database_url=database, redis_url=redis_url, folder=tmp_path, environment=environment
                )
            )
            for name in _NAMES
        }


async def test_services_answer_503_without_a_schema_and_heal_when_it_is_migrated_again(
    services: dict[ServiceName, Service], database: str, redis: Redis
) -> None:
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(services[name].client()) for name in _NAMES}
        plan = await asyncio.to_thread(plan_rollback, database)
        assert plan is not None
        assert plan.losses == (), "nobody made anything yet"
        await _work(clients, redis)
        await asyncio.to_thread(rollback, database, force=True)

        for name, path in (
            ("chat", "/api/conversations"),
            ("knowledge", "/api/knowledge-bases"),
            ("knowledge", "/api/knowledge-bases/guide/search?q=lever"),
            ("cockpit", "/api/cockpit/sessions/8a3c4f7e-6f0e-4a44-9c8e-0f35a2c8b111"),
        ):
            answer = await clients[name].get(path)  # type: ignore[index]
            assert (answer.status_code, answer.json()["error"]) == (503, _NEUTRAL), (name, path, answer.text)
        for name in _NAMES:
            ready = await clients[name].get("/ready")
            assert ready.status_code == 503
            assert "takaro migrate" in ready.json()["checks"]["database"]
        assert "seeded" not in (await clients["knowledge"].get("/ready")).json()["checks"]["registry"]

        await asyncio.to_thread(migrate, database)
        for name in _NAMES:
            await eventually(lambda name=name: _is_ready(clients[name]), timeout=90)  # type: ignore[misc]
        await _work(clients, redis)
    for service in services.values():
        assert service.exit_code is None
    await asyncio.gather(*(service.stop() for service in services.values()))
    for service in services.values():
        traces = [line for line in service.logs() if "exception" in line or "Traceback" in str(line)]
        assert traces == []


async def _is_ready(client: httpx.AsyncClient) -> bool:
    answer = await client.get("/ready")
    assert answer.status_code == 200, answer.text
    return True


async def _work(clients: dict[ServiceName, httpx.AsyncClient], redis: Redis) -> None:
    """Each way in and out of each service: HTTP, a command, a fact, a sync, a search, a running server."""
    chat, knowledge, cockpit = (clients[name] for name in _NAMES)
    created = await chat.post("/api/conversations", json={"agentId": "module-writer"})
    conversation = created.raise_for_status().json()["data"]["id"]
    await _command(redis, "chat.commands", "chat.message.append.v1", conversation, role="user", content="hi")

    async def appended() -> bool:
        messages = await chat.get(f"/api/conversations/{conversation}/messages")
        return [each["content"] for each in messages.raise_for_status().json()["data"]] == ["hi"]

    await eventually(appended, timeout=90)
    await eventually(
        lambda: _told(redis, "chat.events", "chat.message.appended.v1", conversation), timeout=90
    )

    async def found() -> bool:
        hits = await knowledge.get("/api/knowledge-bases/guide/search", params={"q": "lever"})
        return hits.status_code == 200 and "red lever" in hits.text

    await eventually(found, timeout=90)
    started = {"userId": "user-1"}
    await _command(redis, "cockpit.commands", "cockpit.server.start.v1", conversation, **started)
    await eventually(
        lambda: _told(redis, "cockpit.events", "cockpit.server.status_changed.v1", conversation), timeout=90
    )
    assert cockpit is not None


async def _command(redis: Redis, stream: str, kind: str, conversation: str, **data: Any) -> None:
    fields = {"type": kind, "data": json.dumps({"conversationId": conversation} | data)}
    await redis.xadd(stream, fields)  # type: ignore[arg-type]


async def _told(redis: Redis, stream: str, kind: str, conversation: str) -> bool:
    entries: Any = await redis.xrange(stream)
    return any(fields["type"] == kind and conversation in fields["data"] for _, fields in entries)
