"""Messages over the stream and custom agents have bounds that an operator sets."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from contracts.chat import MAX_CONTENT
from tests.integration.chat.conftest import post
from tests.integration.chat.test_commands import contents, rejection, send
from tests.integration.chat.test_http_custom_agents import LEAST, PATH
from tests.support.services import Service


@pytest.fixture(scope="module")
def chat(
    service_database: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A chat service with small limits for custom agents."""
    service = Service(
        "chat",
        database_url=service_database,
        redis_url=f"{redis_url}/5",
        folder=tmp_path_factory.mktemp("chat"),
        environment={"CUSTOM_AGENTS_MAX": "3", "CUSTOM_AGENT_MAX_BYTES": "10000"},
    )
    asyncio.run(service.start())
    yield service
    asyncio.run(service.stop())


@pytest.fixture
async def id(alice: httpx.AsyncClient) -> str:
    """A fresh conversation of alice's."""
    return str((await post(alice, "/api/conversations", agentId="module-writer"))["id"])


@pytest.mark.parametrize(
    "too_much",
    [
        {"toolCalls": ["x" * 4_000_000]},
        {"toolResults": {"x": "x" * 4_000_000}},
        {"toolCalls": ["x" * 2_000_000], "toolResults": ["x" * 2_000_000]},
        {"toolResults": [1e308] * 100_000},
        {"content": "😀" * MAX_CONTENT, "toolCalls": [{"id": "t"}]},
    ],
    ids=["calls", "results", "both", "numbers", "content"],
)
async def test_a_message_that_is_too_large_is_rejected_and_the_others_of_its_batch_are_not(
    alice: httpx.AsyncClient, id: str, bus: Redis, too_much: dict[str, Any]
) -> None:
    command_id = str(uuid4())
    message = {"conversationId": id, "role": "assistant", "content": "before"}
    await send(bus, "chat.message.append.v1", message)
    await send(bus, "chat.message.append.v1", {**message, **too_much}, id=command_id)
    await send(bus, "chat.message.append.v1", {**message, "content": "after"})
    rejected = await rejection(bus, command_id)
    assert rejected["code"] == "message_too_large"
    assert "MESSAGE_MAX_BYTES allows 4000000" in rejected["reason"]
    assert await contents(alice, id, 2) == ["before", "after"]


async def test_the_longest_content_passes(alice: httpx.AsyncClient, id: str, bus: Redis) -> None:
    longest = "😀" * MAX_CONTENT
    message = {"conversationId": id, "role": "assistant", "content": longest}
    await send(bus, "chat.message.append.v1", message)
    assert await contents(alice, id, 1) == [longest]


async def test_a_user_has_a_bounded_number_of_custom_agents(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient
) -> None:
    agents = [await post(alice, PATH, **{**LEAST, "name": f"a{i}"}) for i in range(3)]
    refused = await alice.post(PATH, json={**LEAST, "name": "one more"})
    assert (refused.status_code, "CUSTOM_AGENTS_MAX" in refused.json()["error"]) == (409, True)
    await post(mallory, PATH, **LEAST)
    assert (await alice.put(f"{PATH}/{agents[0]['id']}", json={"name": "b"})).status_code == 200
    await alice.delete(f"{PATH}/{agents[0]['id']}")
    await post(alice, PATH, **{**LEAST, "name": "one more"})


@pytest.mark.parametrize(
    "too_much",
    [
        {"systemPrompt": "p" * 10_001},
        {"description": "d" * 10_001},
        {"tools": ["t"] * 10_001},
        {"knowledgeBases": ["k" * 5_000, "l" * 5_001]},
    ],
    ids=["prompt", "description", "tools", "bases"],
)
async def test_a_custom_agent_has_a_bounded_size(alice: httpx.AsyncClient, too_much: dict[str, Any]) -> None:
    refused = await alice.post(PATH, json={**LEAST, **too_much})
    assert (refused.status_code, "CUSTOM_AGENT_MAX_BYTES" in refused.json()["error"]) == (413, True)
    agent = await post(alice, PATH, **LEAST)
    assert (await alice.put(f"{PATH}/{agent['id']}", json=too_much)).status_code == 413
    assert (await alice.get(f"{PATH}/{agent['id']}")).json()["data"] == agent
