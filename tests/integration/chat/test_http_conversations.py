"""Conversations over HTTP, row by row of the existing system's table."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from common.postgres import Pool
from tests.integration.chat.conftest import NODE_CONVERSATION, post, user_of
from tests.support.plain_http import NO_TLS
from tests.support.services import Service

AGENT = {"name": "mine", "systemPrompt": "p", "tools": [], "model": "m"}


async def test_health_says_ok(chat: Service) -> None:
    async with httpx.AsyncClient(base_url=chat.url, trust_env=False, verify=NO_TLS) as nobody:
        answer = await nobody.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/conversations"),
        ("POST", "/api/conversations"),
        ("GET", "/api/conversations/{id}"),
        ("PATCH", "/api/conversations/{id}"),
        ("DELETE", "/api/conversations/{id}"),
        ("GET", "/api/conversations/{id}/messages"),
        ("POST", "/api/conversations/{id}/messages"),
        ("GET", "/api/conversations/{id}/state"),
        ("PATCH", "/api/conversations/{id}/state"),
        ("GET", "/api/conversations/by-agent/module-writer"),
        ("GET", "/api/custom-agents"),
        ("POST", "/api/custom-agents"),
        ("GET", "/api/custom-agents/{id}"),
        ("PUT", "/api/custom-agents/{id}"),
        ("DELETE", "/api/custom-agents/{id}"),
    ],
)
async def test_without_a_caller_everything_is_401(chat: Service, method: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=chat.url, trust_env=False, verify=NO_TLS) as nobody:
        answer = await nobody.request(method, path.format(id=uuid4()))
    assert (answer.status_code, answer.json()) == (401, {"error": "Not authenticated"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/conversations/{id}"),
        ("PATCH", "/api/conversations/{id}"),
        ("DELETE", "/api/conversations/{id}"),
        ("GET", "/api/conversations/{id}/messages"),
        ("POST", "/api/conversations/{id}/messages"),
        ("GET", "/api/conversations/{id}/state"),
        ("PATCH", "/api/conversations/{id}/state"),
    ],
)
async def test_not_there_not_yours_nobodys_and_no_uuid(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, service_pool: Pool, method: str, path: str
) -> None:
    hers = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    legacy = await service_pool.fetchval(NODE_CONVERSATION, "module-writer", "grok-fast", None)
    body = {"content": "hi", "title": "t"}

    async def ask(client: httpx.AsyncClient, id: object) -> tuple[int, object]:
        answer = await client.request(method, path.format(id=id), json=None if method == "GET" else body)
        return answer.status_code, answer.json()

    assert await ask(alice, uuid4()) == (404, {"error": "Conversation not found"})
    assert await ask(mallory, hers) == (403, {"error": "Forbidden"})
    assert await ask(alice, legacy) == (403, {"error": "Forbidden"})
    status, answer = await ask(alice, "not-a-uuid")
    assert status == 400
    assert isinstance(answer, dict)
    assert answer["error"] == "Validation failed"
    assert list(answer["details"]) == ["conversationId"]
    assert (await ask(alice, hers))[0] == 200


async def test_a_conversation_has_the_known_shape(alice: httpx.AsyncClient) -> None:
    answer = await alice.post("/api/conversations", json={"agentId": "module-writer"})
    assert answer.status_code == 200
    created = answer.json()["data"]
    assert created == {
        "id": created["id"],
        "agentId": "module-writer",
        "agentVersion": "grok-fast",
        "userId": user_of(alice),
        "title": None,
        "provider": "openrouter",
        "metadata": {},
        "state": {},
        "createdAt": created["createdAt"],
        "updatedAt": created["updatedAt"],
    }
    assert created["createdAt"].endswith("Z")
    read = await alice.get(f"/api/conversations/{created['id']}")
    assert (read.status_code, read.json()) == (200, {"data": created})


@pytest.mark.parametrize(
    ("sent", "agent_id", "version"),
    [
        ({"agentId": "player-moderator"}, "player-moderator", "default"),
        ({"agentId": "module-writer", "agentVersion": "anything"}, "module-writer", "anything"),
        ({"agentId": "module-writer/gpt-oss"}, "module-writer", "gpt-oss"),
        ({"agentId": "module-writer@1.0.0"}, "module-writer", "1.0.0"),
        ({"agentId": "module-writer", "unknown": 1}, "module-writer", "grok-fast"),
    ],
)
async def test_agents_are_named_by_base_or_compound_id(
    alice: httpx.AsyncClient, sent: dict[str, str], agent_id: str, version: str
) -> None:
    created = await post(alice, "/api/conversations", **sent)
    assert (created["agentId"], created["agentVersion"]) == (agent_id, version)


async def test_an_unknown_agent_is_told_what_there_is(alice: httpx.AsyncClient) -> None:
    answer = await alice.post("/api/conversations", json={"agentId": "poet"})
    assert answer.status_code == 400
    assert answer.json() == {"error": "Unknown agent: poet. Available: module-writer, player-moderator"}


async def test_a_custom_agent_must_be_the_callers(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient
) -> None:
    agent_id = (await post(alice, "/api/custom-agents", **AGENT))["id"]
    created = await post(alice, "/api/conversations", agentId=f"custom:{agent_id}")
    assert (created["agentId"], created["agentVersion"]) == (f"custom:{agent_id}", "1")
    for client, id in ((mallory, agent_id), (alice, str(uuid4())), (alice, "nope")):
        answer = await client.post("/api/conversations", json={"agentId": f"custom:{id}"})
        assert answer.status_code == 400
        assert answer.json() == {"error": f"Custom agent not found: {id}"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "agentId"),
        ({"agentId": ""}, "agentId"),
        ({"agentId": 5}, "agentId"),
        ({"agentId": "a" * 101}, "agentId"),
        ({"agentId": "module-writer/"}, "agentId"),
        ({"agentId": "module-writer", "agentVersion": "v" * 51}, "agentVersion"),
        ({"agentId": "module-writer/a", "agentVersion": "b"}, "agentVersion"),
    ],
)
async def test_what_a_column_cannot_hold_is_a_400(
    alice: httpx.AsyncClient, body: dict[str, object], field: str
) -> None:
    answer = await alice.post("/api/conversations", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Validation failed"
    assert list(answer.json()["details"]) == [field]


async def test_a_user_id_longer_than_the_column_is_a_400(chat: Service) -> None:
    async with chat.client("u" * 256) as client:
        answer = await client.post("/api/conversations", json={"agentId": "module-writer"})
    assert answer.status_code == 400


async def test_the_list_holds_all_of_the_callers_newest_first(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient
) -> None:
    ids = [(await post(alice, "/api/conversations", agentId="module-writer"))["id"] for _ in range(25)]
    await post(mallory, "/api/conversations", agentId="module-writer")
    listed = (await alice.get("/api/conversations")).json()["data"]
    assert [conversation["id"] for conversation in listed] == ids[::-1]


async def test_a_deleted_conversation_is_gone_with_its_messages(
    alice: httpx.AsyncClient, service_pool: Pool
) -> None:
    id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    await post(alice, f"/api/conversations/{id}/messages", content="hi")
    await service_pool.execute("INSERT INTO cockpit_sessions (conversation_id, user_id) VALUES ($1, 'a')", id)
    answer = await alice.delete(f"/api/conversations/{id}")
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert (await alice.delete(f"/api/conversations/{id}")).status_code == 404
    for table in ("messages", "cockpit_sessions"):
        left = await service_pool.fetchval(f"SELECT count(*) FROM {table} WHERE conversation_id = $1", id)
        assert left == 0


async def test_a_title_can_be_set_and_taken_away(alice: httpx.AsyncClient) -> None:
    id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    for title in ("Grüße 👋", "t" * 255, None):
        answer = await alice.patch(f"/api/conversations/{id}", json={"title": title})
        assert answer.status_code == 200
        assert answer.json()["data"]["title"] == title
    for body in ({}, {"title": ""}, {"title": "t" * 256}, {"title": 5}):
        assert (await alice.patch(f"/api/conversations/{id}", json=body)).status_code == 400


class TestByAgent:
    """In the Node application by-agent without an experiment was always empty, and a negative limit a 500."""

    async def test_with_and_without_an_experiment_it_finds_them(self, alice: httpx.AsyncClient) -> None:
        fast = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
        concise = (await post(alice, "/api/conversations", agentId="module-writer/concise"))["id"]
        await post(alice, "/api/conversations", agentId="player-moderator")

        async def ids(agent: str) -> list[str]:
            answer = await alice.get(f"/api/conversations/by-agent/{agent}")
            assert answer.status_code == 200
            return [conversation["id"] for conversation in answer.json()["data"]]

        assert await ids("module-writer") == [concise, fast]
        assert await ids("module-writer%2Fgrok-fast") == [fast]
        assert await ids("module-writer/grok-fast") == [fast]
        assert await ids("module-writer%40concise") == [concise]
        assert await ids("module-writer%2Fwith-docs") == []
        assert await ids("nobody") == []

    async def test_custom_agents_are_found_too(self, alice: httpx.AsyncClient) -> None:
        agent = f"custom:{(await post(alice, '/api/custom-agents', **AGENT))['id']}"
        id = (await post(alice, "/api/conversations", agentId=agent))["id"]
        answer = await alice.get(f"/api/conversations/by-agent/{agent}")
        assert [conversation["id"] for conversation in answer.json()["data"]] == [id]

    async def test_last_active_first_five_by_default_twenty_at_most(self, alice: httpx.AsyncClient) -> None:
        path = "/api/conversations/by-agent/module-writer"
        ids = [(await post(alice, "/api/conversations", agentId="module-writer"))["id"] for _ in range(22)]
        await post(alice, f"/api/conversations/{ids[0]}/messages", content="hi")
        expected = [ids[0], *ids[:0:-1]]
        for query, count in (("", 5), ("?limit=1", 1), ("?limit=20", 20), ("?limit=500", 20)):
            listed = (await alice.get(path + query)).json()["data"]
            assert [conversation["id"] for conversation in listed] == expected[:count]

    @pytest.mark.parametrize("limit", ["-5", "0", "x", "1.5", "", "9" * 5_000])
    async def test_a_limit_that_is_none_is_a_400(self, alice: httpx.AsyncClient, limit: str) -> None:
        answer = await alice.get("/api/conversations/by-agent/module-writer", params={"limit": limit})
        assert answer.status_code == 400
        assert list(answer.json()["details"]) == ["limit"]

    @pytest.mark.parametrize("agent", ["%00", "module-writer%2F", "custom:nope", "a" * 101])
    async def test_what_is_no_agent_id_is_a_400(self, alice: httpx.AsyncClient, agent: str) -> None:
        assert (await alice.get(f"/api/conversations/by-agent/{agent}")).status_code == 400


async def test_concurrent_creates_all_succeed(alice: httpx.AsyncClient) -> None:
    created = await asyncio.gather(
        *(post(alice, "/api/conversations", agentId="module-writer") for _ in range(20))
    )
    assert len({conversation["id"] for conversation in created}) == 20
