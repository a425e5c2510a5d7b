"""Agents and tools that runtimes announce: they count for as long as they are announced, and no longer."""

import os
import signal
import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from chat.announcements import repository
from chat.announcements.records import AnnouncedAgent, AnnouncedTool
from chat.announcements.served import ServedAgents
from chat.announcements.use_cases import announce_agents, announce_tools
from common import codec
from common.errors import Conflict
from common.postgres import Pool
from tests.integration.chat.conftest import post
from tests.integration.chat.test_commands import rejection, send
from tests.support.services import Service
from tests.support.wait import eventually

AGENT, TOOL = "chat.agent.announce.v1", "chat.tool.announce.v1"
EXPIRE = "UPDATE chat_announced_agents SET expires_at = clock_timestamp() - interval '1 second'"
EXPIRE_TOOLS = "UPDATE chat_announced_tools SET expires_at = clock_timestamp() - interval '1 second'"


def agent(agent_id: str, **fields: Any) -> dict[str, Any]:
    return {"agentId": agent_id, "model": "x/m", "description": "Does it.", "ttlSeconds": 600, **fields}


def tool(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "description": "Finds it.", "ttlSeconds": 600, **fields}


def announced(agent_id: str, *experiments: str) -> list[AnnouncedAgent]:
    return [AnnouncedAgent(agent_id, e, n, "m", "") for n, e in enumerate(experiments or ("",))]


async def offered(client: httpx.AsyncClient, agent_id: str) -> list[dict[str, Any]]:
    """What is offered of one agent."""
    answer = await client.get("/api/agents")
    assert answer.status_code == 200, answer.text
    return [each for each in answer.json()["data"]["builtin"] if each["type"] == agent_id]


async def offered_at_last(client: httpx.AsyncClient, agent_id: str, count: int) -> list[dict[str, Any]]:
    async def look() -> tuple[list[dict[str, Any]]]:
        found = await offered(client, agent_id)
        assert len(found) == count, found
        return (found,)

    found: list[dict[str, Any]] = (await eventually(look))[0]
    return found


async def tool_names(client: httpx.AsyncClient) -> set[str]:
    return {each["name"] for each in (await client.get("/api/custom-agents/tools")).json()["data"]}


async def until_a_tool_is_offered(client: httpx.AsyncClient, name: str) -> None:
    async def look() -> bool:
        return name in await tool_names(client)

    await eventually(look)


async def test_agents_of_the_settings_and_ones_own_are_offered(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient
) -> None:
    made = [
        await post(alice, "/api/custom-agents", name=f"a{n}", systemPrompt="p", tools=[], model="m")
        for n in range(25)
    ]
    found = (await alice.get("/api/agents")).json()["data"]
    assert [each["id"] for each in found["custom"]] == [each["id"] for each in reversed(made)]
    assert found["custom"][-1] == made[0]
    ids = [each["id"] for each in found["builtin"]]
    assert ids[:2] == ["module-writer/grok-fast", "module-writer/gpt-oss"]
    assert found["builtin"][0]["name"] == "Module Writer"
    assert (await mallory.get("/api/agents")).json()["data"]["custom"] == []


async def test_an_announced_agent_is_offered_and_conversations_begin_with_it(
    alice: httpx.AsyncClient, bus: Redis
) -> None:
    id = f"helper-{uuid4()}"
    refused = await alice.post("/api/conversations", json={"agentId": id})
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (400, "unknown_agent")
    await send(bus, AGENT, agent(id, experiments=["b", "a"]))
    [first, second] = await offered_at_last(alice, id, 2)
    assert (first["id"], first["model"], first["served"]) == (f"{id}/b", "x/m", True)
    assert second["experiment"] == "a"
    assert (await post(alice, "/api/conversations", agentId=id))["agentVersion"] == "b"
    assert (await post(alice, "/api/conversations", agentId=f"{id}/a"))["agentVersion"] == "a"
    unknown = await alice.post("/api/conversations", json={"agentId": "nobody"})
    assert "module-writer" in unknown.json()["error"]
    models = (await alice.get("/api/custom-agents/models")).json()["data"]
    assert {"id": "x/m", "name": "x/m", "provider": "x"} in models


async def test_a_command_may_use_the_agent_that_was_announced_before_it(
    alice: httpx.AsyncClient, bus: Redis
) -> None:
    name, id = f"helper-{uuid4()}", str(uuid4())
    await send(bus, AGENT, agent(name))
    user = alice.headers["X-User-Id"]
    await send(bus, "chat.conversation.create.v1", {"id": id, "agentId": name, "userId": user})

    async def look() -> str:
        answer = await alice.get(f"/api/conversations/{id}")
        assert answer.status_code == 200
        return str(answer.json()["data"]["agentVersion"])

    assert await eventually(look) == "default"


async def test_an_agent_is_offered_no_more_once_it_expires_or_is_taken_back(
    alice: httpx.AsyncClient, bus: Redis, service_pool: Pool
) -> None:
    id, other = f"helper-{uuid4()}", f"helper-{uuid4()}"
    await send(bus, AGENT, agent(id))
    await send(bus, AGENT, agent(other, ttlSeconds=60))
    await offered_at_last(alice, id, 1)
    await offered_at_last(alice, other, 1)
    await send(bus, AGENT, agent(other, ttlSeconds=0))
    await offered_at_last(alice, other, 0)
    await service_pool.execute(f"{EXPIRE} WHERE agent_id = $1", id)
    assert await offered(alice, id) == []
    await send(bus, AGENT, agent(id))  # its runtime is back
    await offered_at_last(alice, id, 1)


async def test_an_announcement_with_the_same_id_again_counts_again(
    alice: httpx.AsyncClient, bus: Redis, service_pool: Pool
) -> None:
    """A simple runtime sends the very same entry each time."""
    name = f"helper-{uuid4()}"
    for _ in range(2):
        await send(bus, AGENT, agent(name), id="heartbeat", source=name)
        await offered_at_last(alice, name, 1)
        await service_pool.execute(f"{EXPIRE} WHERE agent_id = $1", name)


RUNTIME = """
import json, sys, time, redis
client = redis.Redis.from_url(sys.argv[1])
while True:
    client.xadd("chat.commands", {"type": "chat.agent.announce.v1", "data": sys.argv[2]})
    print("announced", flush=True)
    time.sleep(0.2)
"""


async def test_a_runtime_that_is_killed_serves_no_more(
    alice: httpx.AsyncClient, redis_url: str, chat: Service
) -> None:
    name = f"helper-{uuid4()}"
    data = codec.dumps_str(agent(name, ttlSeconds=2))
    runtime = subprocess.Popen(  # noqa: ASYNC220 -- it is another program
        [sys.executable, "-c", RUNTIME, f"{redis_url}/5", data], stdout=subprocess.PIPE
    )
    try:
        await offered_at_last(alice, name, 1)
    finally:
        os.kill(runtime.pid, signal.SIGKILL)
        runtime.communicate()
    await offered_at_last(alice, name, 0)


@pytest.mark.parametrize(
    "data",
    [
        agent("a/b"),
        agent("a@1"),
        agent(""),
        agent("a" * 101),
        agent("custom:"),
        agent("custom:nope"),
        agent("a\u0000"),
        agent("a", experiments=[]),
        agent("a", experiments=["e" * 51]),
        agent("a", experiments=["e"] * 101),
        agent("a", experiments="e"),
        agent("a", model=""),
        agent("a", model=None),
        agent("a", description="d" * 10_001),
        agent("a", ttlSeconds=-1),
        agent("a", ttlSeconds=86_401),
        agent("a", ttlSeconds="60"),
        agent("a", ttlSeconds=1.5),
        agent("a", ttlSeconds=True),
    ],
)
async def test_an_agent_that_cannot_be_is_rejected(
    alice: httpx.AsyncClient, bus: Redis, data: dict[str, Any]
) -> None:
    id = str(uuid4())
    await send(bus, AGENT, data, id=id)
    assert (await rejection(bus, id))["code"] == "invalid"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (tool(""), "invalid"),
        (tool("t" * 101), "invalid"),
        (tool("t", parameters=["no object"]), "invalid"),
        (tool("t", parameters={"a": "\u0000"}), "invalid"),
        (tool("t", ttlSeconds=None), "invalid"),
        (tool("t", parameters={"long": "x" * 60_000}), "announcement_too_large"),
    ],
)
async def test_a_tool_that_cannot_be_is_rejected(
    alice: httpx.AsyncClient, bus: Redis, data: dict[str, Any], code: str
) -> None:
    id = str(uuid4())
    await send(bus, TOOL, data, id=id)
    assert (await rejection(bus, id))["code"] == code
    assert "t" not in await tool_names(alice)


async def test_a_custom_agent_has_only_tools_that_are_there(
    alice: httpx.AsyncClient, bus: Redis, service_pool: Pool
) -> None:
    body = {"name": "n", "systemPrompt": "p", "model": "m"}
    await service_pool.execute(EXPIRE_TOOLS)
    unchecked = await post(alice, "/api/custom-agents", **body, tools=["anything"])
    here = f"tool-{uuid4()}"
    await send(bus, TOOL, tool(here, parameters={"type": "object"}))
    await until_a_tool_is_offered(alice, here)

    refused = await alice.post(
        "/api/custom-agents", json={**body, "name": "o", "tools": ["b", here, "a", "b"]}
    )
    assert (refused.status_code, refused.json()["error"]) == (400, "Invalid tools: b, a")
    where = f"/api/custom-agents/{unchecked['id']}"
    refused = await alice.put(where, json={"tools": ["anything", "another"]})
    assert (refused.status_code, refused.json()["error"]) == (400, "Invalid tools: another")
    changed = await alice.put(where, json={"name": "renamed", "tools": ["anything", here]})
    assert changed.json()["data"]["tools"] == ["anything", here], "what it had stays"
    await post(alice, "/api/custom-agents", **body, tools=[])
    await service_pool.execute(EXPIRE_TOOLS)


async def test_no_more_are_announced_than_allowed_and_expired_ones_count_for_nothing(pool: Pool) -> None:
    async with pool.acquire() as connection:
        news = [(announced("a", "1", "2"), 60), (announced("b"), 60), (announced("c"), 60)]
        outcomes = await announce_agents(connection, news, 3)
        assert [type(each) for each in outcomes] == [type(None), type(None), Conflict]
        assert await announce_agents(connection, [(announced("b"), 60)], 3) == [None], "it is there already"
        assert await announce_agents(connection, [(announced("b"), 0), (announced("c"), 60)], 3) == [None] * 2
        await connection.execute(EXPIRE)
        assert await announce_agents(connection, [(announced("d", "1", "2", "3"), 60)], 3) == [None]
        assert {each.agent_id for each in await repository.list_agents(connection)} == {"d"}
        assert [await repository.delete_expired_agents(connection, 3) for _ in range(3)] == [3, 1, 0]

        tools = [(AnnouncedTool(name, "", None), 60) for name in ("a", "b", "a", "c")]
        outcomes = await announce_tools(connection, tools, 2)
        assert [type(each) for each in outcomes] == [type(None)] * 3 + [Conflict]
        await connection.execute(EXPIRE_TOOLS)
        assert await repository.list_tools(connection) == []
        assert [await repository.delete_expired_tools(connection, 1) for _ in range(3)] == [1, 1, 0]


async def test_processes_are_told_of_what_begins_or_ends_and_not_of_each_renewal(pool: Pool) -> None:
    first = announced("a")[0]
    async with pool.acquire() as connection:
        told = [
            await repository.upsert_agents(connection, [(first, ttl)]) for ttl in (60, 60, 90, 0, 60, 4, 60)
        ]
    assert told == [True, False, False, True, True, True, True]


async def test_it_is_known_who_is_served_without_asking_the_database(pool: Pool) -> None:
    served, custom = ServedAgents(), f"custom:{UUID(int=7)}"
    assert (served.is_known(), served.nobody(), served.is_served("a", "1")) == (False, False, False)
    async with pool.acquire() as connection:
        await announce_agents(connection, [(announced("a", "1"), 60), (announced("b"), 60)], 9)
        await served.look(connection)
        assert served.is_known()
        assert served.is_served("a", "1")
        assert not served.is_served("a", "2")
        assert not served.is_served("a", None)
        assert served.is_served("b", "any")
        assert not served.is_served(custom, "1")
        await announce_agents(connection, [(announced("custom:*"), 60)], 9)
        await served.look(connection)
        assert served.is_served(custom.upper().replace("CUSTOM", "custom"), "1")
        assert not served.is_served("c", "1")
        await announce_agents(connection, [(announced("custom:*"), 0), (announced(custom, "2"), 60)], 9)
        await connection.execute(f"{EXPIRE} WHERE agent_id = 'a'")
        await served.look(connection)
        assert [served.is_served(custom, version) for version in ("1", "2")] == [False, True]
        assert not served.is_served("a", "1")
        assert served.experiments() == {"b": [""], custom: ["2"]}
