"""What users say to an agent that a runtime serves asks for a turn; what comes while one runs, for the
next."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from common import codec
from common.postgres import Pool
from tests.integration.chat.conftest import node_message, post, published
from tests.integration.chat.turn_calls import runtime, say, start_conversation, take, with_token
from tests.support.services import Service
from tests.support.wait import eventually


@pytest.fixture
async def agent(alice: httpx.AsyncClient, bus: Redis) -> str:
    """An agent that a runtime announces, once chat knows of it."""
    name = f"served-{uuid4().hex[:8]}"
    data = codec.dumps_str({"agentId": name, "model": "m", "description": "d", "ttlSeconds": 3_600})
    await bus.xadd("chat.commands", {"type": "chat.agent.announce.v1", "data": data})

    async def look() -> bool:
        answer = await alice.post("/api/conversations", json={"agentId": name})
        return answer.status_code in (200, 201)

    await eventually(look)
    return name


@pytest.fixture
async def conversation(alice: httpx.AsyncClient, agent: str) -> str:
    """The path of a conversation with that agent."""
    return await start_conversation(alice, agent)


@pytest.fixture
async def worker(chat: Service, agent: str) -> AsyncIterator[httpx.AsyncClient]:
    """A runtime of that agent."""
    async with runtime(chat, agent) as client:
        yield client


async def turns(client: httpx.AsyncClient, conversation: str) -> list[dict[str, Any]]:
    """The conversation's turns, oldest first."""
    found: list[dict[str, Any]] = (await client.get(f"{conversation}/turns?order=asc")).json()["data"]
    return found


async def append_by_command(bus: Redis, conversation: str, content: str) -> None:
    data = {"conversationId": conversation.split("/")[-1], "role": "user", "content": content}
    await bus.xadd("chat.commands", {"type": "chat.message.append.v1", "data": codec.dumps_str(data)})


async def test_messages_join_the_requested_turn_whichever_way_they_come(
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    conversation: str,
    bus: Redis,
    service_pool: Pool,
) -> None:
    await post(alice, f"{conversation}/messages", content="one")
    [requested] = await turns(alice, conversation)
    assert (requested["state"], requested["throughSequence"]) == ("requested", 1)
    await append_by_command(bus, conversation, "two")

    async def look() -> bool:
        return [t["throughSequence"] for t in await turns(alice, conversation)] == [2]

    await eventually(look)
    three = {"messages": [{"role": "assistant", "content": "x"}, {"role": "user", "content": "three"}]}
    (await alice.post(f"{conversation}/messages/bulk", json=three)).raise_for_status()
    taken = await take(worker, conversation, turnId=requested["turnId"])
    assert taken["turnId"] == requested["turnId"]
    assert [m["content"] for m in taken["history"]] == ["one", "two", "x", "three"]
    facts = await published(bus, conversation.split("/")[-1], 7)
    kinds = [fact["type"] for fact in facts]
    assert kinds.count("chat.turn.requested.v1") == 1
    assert kinds[2] == "chat.turn.requested.v1"
    assert facts[2]["data"]["turnId"] == taken["turnId"]
    await node_message(service_pool, UUID(conversation.split("/")[-1]), "from Node")
    path = f"{conversation}/turns/{taken['turnId']}/finish"
    (await worker.post(path, json={}, headers=with_token(taken))).raise_for_status()
    assert [turn["state"] for turn in await turns(alice, conversation)] == ["finished"]


@pytest.mark.parametrize("how", ["finish", "fail", "cancel"])
async def test_what_waited_is_the_next_turn_when_one_ends(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, how: str
) -> None:
    await post(alice, f"{conversation}/messages", content="first")
    taken = await take(worker, conversation)
    for content in ("second", "third"):
        await post(alice, f"{conversation}/messages", content=content)
    assert [turn["state"] for turn in await turns(alice, conversation)] == ["running"]
    (await say(worker, conversation, "to the first", with_token(taken))).raise_for_status()
    path, body = f"{conversation}/turns/{taken['turnId']}/{how}", {"error": "x"} if how == "fail" else {}
    client = alice if how == "cancel" else worker
    (await client.post(path, json=body, headers=with_token(taken))).raise_for_status()
    ended, following = await turns(alice, conversation)
    assert ended["endedAt"] is not None
    assert (following["state"], following["throughSequence"]) == ("requested", 3)
    history = (await take(worker, conversation))["history"]
    assert [m["content"] for m in history] == ["first", "second", "third", "to the first"]


async def test_an_interruption_an_edit_and_an_expired_turn_ask_for_the_next(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    await post(alice, f"{conversation}/messages", content="first")
    await take(worker, conversation)
    stop = await post(alice, f"{conversation}/messages", content="stop", onBusy="interrupt")
    assert [t["state"] for t in await turns(alice, conversation)] == ["cancelled", "requested"]
    await take(worker, conversation)
    await post(alice, f"{conversation}/messages/{stop['id']}/replace", content="edited")
    assert [t["state"] for t in await turns(alice, conversation)][1:] == ["cancelled", "requested"]
    taken = await take(worker, conversation)
    await service_pool.execute(
        "UPDATE chat_turns SET expires_at = clock_timestamp() - interval '1 s' WHERE id = $1", taken["turnId"]
    )
    await post(alice, f"{conversation}/messages", content="still there?")
    assert [t["state"] for t in await turns(alice, conversation)][2:] == ["interrupted", "requested"]


async def test_an_agent_that_nobody_serves_has_no_turns(
    alice: httpx.AsyncClient, conversation: str, bus: Redis
) -> None:
    unserved = await start_conversation(alice, "module-writer")
    await post(alice, f"{unserved}/messages", content="hi")
    assert await turns(alice, unserved) == []
    await post(alice, f"{conversation}/messages", content="hi")
    [requested] = await turns(alice, conversation)
    (await alice.post(f"{conversation}/turns/{requested['turnId']}/cancel")).raise_for_status()
    assert [t["state"] for t in await turns(alice, conversation)] == ["cancelled"]
