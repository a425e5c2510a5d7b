"""Erasures over HTTP and by ``takaro erase``, on a running chat service."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from backbone import erased_ids
from tests.integration.chat.conftest import entries, post, user_of
from tests.integration.cli.terminal import Terminal
from tests.support.services import Service
from tests.support.wait import eventually

ENTRIES = 1_500


@pytest.fixture
async def operator(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with chat.client(f"operator-{uuid4()}") as client:
        client.headers["X-Scope"] = "operator"
        yield client


async def finished(client: httpx.AsyncClient, receipt: str) -> dict[str, Any]:
    """The receipt of chat, once chat has finished."""

    async def look() -> dict[str, Any]:
        services: dict[str, Any] = (await client.get(receipt)).json()["data"]["services"]
        assert services["chat"]["finishedAt"]
        return dict(services["chat"])

    return await eventually(look)


async def test_users_erase_themselves_and_read_their_receipt(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, operator: httpx.AsyncClient, bus: Redis
) -> None:
    id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    await post(alice, f"/api/conversations/{id}/messages", content="secret")
    command = {"conversationId": id, "role": "user", "content": "a secret that is dead"}
    await bus.xadd("chat.commands.dead", {"type": "chat.message.append.v1", "data": json.dumps(command)})
    answer = await alice.delete("/api/users/me")
    assert answer.status_code == 202
    receipt = answer.json()["data"]["receipt"]
    assert answer.headers["Location"] == receipt
    done = await finished(alice, receipt)
    assert done["tables"].items() >= {"conversations": 1, "messages": 1}.items()
    published = done["streams"].get("chat.events", 0) + done["tables"].get("outbox", 0)
    assert published == 3, "created, appended, deleted"
    assert done["streams"]["chat.commands.dead"] == 1
    left = [fields for fields in await entries(bus, "chat.events") if id in fields.get("data", "")]
    assert {fields["type"] for fields in left} == {"chat.user.erased.v1"}
    assert (await operator.get(receipt)).status_code == 200
    assert (await mallory.get(receipt)).status_code == 403
    assert (await alice.get(f"/api/erasures/{uuid4()}")).status_code == 404
    assert (await alice.get(f"/api/conversations/{id}")).status_code == 404


async def test_operators_erase_anybody(alice: httpx.AsyncClient, operator: httpx.AsyncClient) -> None:
    await post(alice, "/api/conversations", agentId="module-writer")
    whom = {"userId": user_of(alice)}
    assert (await alice.post("/api/erasures", json=whom)).status_code == 403
    assert (await operator.post("/api/erasures", json={"userId": ""})).status_code == 400
    answer = await operator.post("/api/erasures", json=whom)
    assert answer.status_code == 202
    await finished(operator, answer.json()["data"]["receipt"])
    assert (await alice.get("/api/conversations")).json()["data"] == []
    again = await post(alice, "/api/conversations", agentId="module-writer")
    assert (await alice.get(f"/api/conversations/{again['id']}")).status_code == 200


async def test_the_command_line_finds_what_is_left(
    alice: httpx.AsyncClient, bus: Redis, service_database: str, redis_url: str
) -> None:
    takaro = Terminal({"DATABASE_URL": service_database, "REDIS_URL": f"{redis_url}/5"})
    user = user_of(alice)
    id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    job = {"knowledgeBaseId": f"kb-{id}", "version": "1"}
    await bus.xadd("cockpit.commands.dead", {"type": "x", "data": f'{{"userId": "{user}", broken'})
    await bus.hset("bull:kb-sync:7", mapping={"name": "sync", "data": json.dumps(job)})
    await bus.zadd("bull:kb-sync:failed", {"7": 1})
    before = (await takaro("erase", user, "--check", "--json", expect=1)).json["left"]
    assert {"kind": "table", "place": "conversations.user_id", "count": 1} in before
    asked = (await takaro("erase", user, "--yes", "--json")).json
    await finished(alice, f"/api/erasures/{asked['id']}")
    connection = await asyncpg.connect(service_database)
    await erased_ids.insert_subjects(connection, UUID(asked["id"]), [job["knowledgeBaseId"]])
    await connection.close()
    after = (await takaro("erase", user, "--check", "--json", expect=1)).json["left"]
    assert after == [
        {"kind": "table", "place": "erasures.user_id", "count": 2},
        {"kind": "dead letters", "place": "cockpit.commands.dead", "count": 1},
        {"kind": "jobs", "place": "bull:kb-sync:failed", "count": 1},
    ], "cockpit and knowledge don't run"
    assert "cockpit.commands.dead" in (await takaro("erase", user, "--check", expect=1)).out
    assert "nothing is left" in (await takaro("erase", f"nobody-{id}", "--check")).err


async def test_a_service_that_is_killed_in_the_streams_goes_on_and_counts_each_entry_once(
    alice: httpx.AsyncClient, chat: Service, bus: Redis
) -> None:
    id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    pipeline = bus.pipeline()
    for number in range(ENTRIES):
        data = json.dumps({"conversationId": id, "content": f"secret {number}"})
        pipeline.xadd("chat.events.dead", {"type": "chat.message.appended.v1", "subject": id, "data": data})
    await pipeline.execute()
    receipt = (await alice.delete("/api/users/me")).json()["data"]["receipt"]

    async def begun() -> bool:
        services = (await alice.get(receipt)).json()["data"]["services"]
        return bool(services["chat"]["streams"])

    await eventually(begun)
    await chat.kill()
    await chat.start()
    assert (await finished(alice, receipt))["streams"]["chat.events.dead"] == ENTRIES
    assert await bus.xlen("chat.events.dead") == 0
