"""What a user says is answered with the stream of its turn: as the web client reads it, and as others do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from common import codec
from common.postgres import Pool
from tests.integration.chat.conftest import user_of
from tests.integration.chat.turn_calls import contents, runtime, start_conversation, take, with_token
from tests.integration.chat.turn_readers import reading, show, text, texts
from tests.integration.chat.web_client import WebClient
from tests.support.services import Service
from tests.support.wait import eventually

EVENTS, JSON = {"Accept": "text/event-stream"}, {"Accept": "application/json"}


async def announce(bus: Redis, agent: str, ttl_seconds: int = 3_600) -> None:
    data = codec.dumps_str({"agentId": agent, "model": "m", "description": "d", "ttlSeconds": ttl_seconds})
    await bus.xadd("chat.commands", {"type": "chat.agent.announce.v1", "data": data})


@pytest.fixture
async def agent(chat: Service, second: Service, alice: httpx.AsyncClient, bus: Redis) -> str:
    """An agent that a runtime serves, once both processes know of it."""
    name = f"served-{uuid4().hex[:8]}"
    await announce(bus, name)

    async def look() -> bool:
        async with second.client(user_of(alice)) as other:
            answers = [await who.post("/api/conversations", json={"agentId": name}) for who in (alice, other)]
        return all(answer.is_success for answer in answers)

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


async def finish(worker: httpx.AsyncClient, conversation: str, taken: dict[str, Any], **body: Any) -> None:
    path = f"{conversation}/turns/{taken['turnId']}/finish"
    answer = await worker.post(path, json=body, headers=with_token(taken))
    assert answer.status_code == 200, answer.text


async def requested(worker: httpx.AsyncClient, conversation: str) -> dict[str, Any]:
    """The turn, taken once it is requested."""

    async def look() -> bool:
        found = (await worker.get(f"{conversation}/turns")).json()["data"]
        return bool(found) and found[0]["state"] == "requested"

    await eventually(look)
    return await take(worker, conversation)


@pytest.mark.parametrize("cookie", [False, True], ids=["bearer", "cookie"])
async def test_the_web_client_shows_an_answer_piece_by_piece(
    chat: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    conversation: str,
    service_pool: Pool,
    cookie: bool,
) -> None:
    """Its `Accept` is `*/*`. A question to a person in between is nothing that it knows."""
    who = {"Cookie": f"takaro_login={user_of(alice)}", "Origin": chat.url}
    client = WebClient()
    headers = who if cookie else {"X-User-Id": user_of(alice)}
    sending = asyncio.create_task(client.send(chat, conversation, "hi", headers))
    taken = await requested(worker, conversation)
    use = {"number": 2, "type": "tool_use", "id": "c1", "name": "find", "input": {"q": "zombies"}}
    result = {"success": True, "output": [1]}
    found = {
        "number": 3,
        "type": "tool_result",
        "id": "c1",
        "name": "find",
        "result": result,
        "durationMs": 5,
    }
    await show(service_pool, taken["turnId"], text(1, "Let me see.\n"), use)
    await eventually(lambda: client.text == "Let me see.\n" and client.tools)
    asked = {"awaiting": {"tool": "find", "input": {}}}
    turn = f"{conversation}/turns/{taken['turnId']}"
    (await worker.put(turn, json=asked, headers=with_token(taken))).raise_for_status()
    (await alice.post(f"{turn}/answer", json={"answer": {}})).raise_for_status()
    await show(service_pool, taken["turnId"], found, text(4, "Zömbies."))
    last = [{"role": "assistant", "content": "Let me see.\nZömbies."}]
    await finish(worker, conversation, taken, messages=last, usage={"inputTokens": 2, "outputTokens": 1})
    await sending
    assert client.text == "Let me see.\nZömbies."
    assert client.tools == [
        {"id": "c1", "name": "find", "input": {"q": "zombies"}, "result": result, "durationMs": 5}
    ]
    assert client.usage == {"inputTokens": 2, "outputTokens": 1, "totalTokens": 3}
    assert (client.error, client.unknown) == (None, [])
    assert await contents(alice, conversation) == ["hi", client.text]


async def test_without_a_runtime_who_wants_a_stream_is_told_so_and_others_get_json(
    chat: Service, alice: httpx.AsyncClient
) -> None:
    conversation = await start_conversation(alice)
    path = f"{conversation}/messages"
    for number, headers in enumerate(({}, JSON, {"Accept": "*/*"}), start=1):
        answer = await alice.post(path, json={"content": "hi"}, headers=headers)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["data"]["sequence"] == number
    async with reading(chat, user_of(alice), path, method="POST", body={"content": "x"}, headers=EVENTS) as r:
        name, data = await r.end()
    assert (name, data["type"], data["code"]) == ("error", "error", "agent_not_served")
    browser = WebClient()
    cookie = {"Cookie": f"takaro_login={user_of(alice)}", "Origin": chat.url, "Accept": "application/json"}
    await browser.send(chat, conversation, "y", cookie)
    assert browser.error == data["error"]
    assert await contents(alice, conversation) == ["hi"] * 3 + ["x", "y"]


@pytest.mark.parametrize("by", ["key", "id"])
async def test_a_repetition_has_the_same_turn_from_its_first_piece(
    chat: Service,
    second: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    conversation: str,
    service_pool: Pool,
    by: str,
) -> None:
    """While the first stream is open, after its process was killed, and after the turn."""
    path, key = f"{conversation}/messages", {"Idempotency-Key": str(uuid4())} if by == "key" else {}
    body = {"content": "hi"} | ({"id": str(uuid4())} if by == "id" else {})

    def sent(service: Service) -> Any:
        return reading(service, user_of(alice), path, method="POST", body=body, headers=EVENTS | key)

    async with sent(second) as first, sent(chat) as repeated:
        taken = await requested(worker, conversation)
        await show(service_pool, taken["turnId"], *texts(1, 3))
        for reader in (first, repeated):
            await reader.has(1, 2, 3)
        await second.kill()
        await eventually(lambda: first.ended)
        await show(service_pool, taken["turnId"], *texts(4, 6))
        await second.start()
        async with sent(second) as again:
            for reader in (again, repeated):
                await reader.has(1, 2, 3, 4, 5, 6)
            await finish(worker, conversation, taken)
            assert (await again.end())[0] == (await repeated.end())[0] == "done"
    async with sent(chat) as late:
        assert (await late.end())[0] == "done"
        assert late.received == repeated.received
        assert late.headers.get("Idempotent-Replayed") == ("true" if by == "key" else None)
    plain = await alice.post(path, json=body, headers=JSON | key)
    assert plain.json()["data"]["content"] == "hi"
    assert await contents(alice, conversation) == ["hi"]
    if by == "key":
        other = await alice.post(path, json={"content": "else"}, headers=EVENTS | key)
        assert other.status_code == 422


async def test_a_message_that_waits_has_the_stream_of_the_next_turn(
    chat: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    conversation: str,
    service_pool: Pool,
) -> None:
    user, path = user_of(alice), f"{conversation}/messages"

    def said(content: str, **more: str) -> Any:
        return reading(chat, user, path, method="POST", body={"content": content, **more}, headers=EVENTS)

    async with said("one") as one:
        taken = await requested(worker, conversation)
        async with said("two") as two, said("three") as three:
            await show(service_pool, taken["turnId"], text(1, "to one"))
            await one.has(1)
            await finish(worker, conversation, taken)
            assert (await one.end())[0] == "done"
            assert two.received == three.received == []
            following = await take(worker, conversation)
            await show(service_pool, following["turnId"], text(1, "to two and three"))
            await two.has(1)
            async with said("stop", onBusy="interrupt") as stop:
                for reader in (two, three):
                    name, data = await reader.end()
                    assert (name, data["code"]) == ("error", "turn_cancelled")
                    assert reader.received[0][2]["content"] == "to two and three"
                last = await take(worker, conversation)
                await finish(worker, conversation, last)
                assert (await stop.end())[0] == "done"
                assert stop.names == ["done"]


async def test_who_leaves_changes_nothing(
    chat: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    conversation: str,
    service_pool: Pool,
) -> None:
    path = f"{conversation}/messages"
    async with reading(
        chat, user_of(alice), path, method="POST", body={"content": "hi"}, headers=EVENTS
    ) as r:
        taken = await requested(worker, conversation)
        await show(service_pool, taken["turnId"], text(1))
        await r.has(1)
    await finish(worker, conversation, taken, messages=[{"role": "assistant", "content": "done"}])
    assert await contents(alice, conversation) == ["hi", "done"]


async def test_a_stream_that_no_runtime_can_end_ends_with_an_error(
    second: Service, alice: httpx.AsyncClient, agent: str, conversation: str, bus: Redis
) -> None:
    """The service stops; or the runtime ceases to serve before it has taken the turn."""
    path = f"{conversation}/messages"

    def sent() -> Any:
        return reading(second, user_of(alice), path, method="POST", body={"content": "hi"}, headers=EVENTS)

    async with sent() as cut_off:
        await second.restart()
        assert await cut_off.end() == (
            "error",
            {"type": "error", "error": "The service restarts: read again what there is", "code": "stopping"},
        )
    async with sent() as waiting:
        await announce(bus, agent, 0)
        assert (await waiting.end())[1]["code"] == "agent_not_served"


async def test_what_is_refused_is_refused_in_json_and_not_stored(
    chat: Service,
    alice: httpx.AsyncClient,
    mallory: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    conversation: str,
) -> None:
    path = f"{conversation}/messages"
    taken = await take(worker, conversation)
    refused = [
        (await mallory.post(path, json={"content": "hi"}, headers=EVENTS), 403),
        (
            await alice.post(f"/api/conversations/{uuid4()}/messages", json={"content": "x"}, headers=EVENTS),
            404,
        ),
        (await alice.post(path, json={"content": ""}, headers=EVENTS), 400),
        (await alice.post(path, json={"content": "x", "onBusy": "reject"}, headers=EVENTS), 409),
    ]
    stream = f"{conversation}/turns/{taken['turnId']}/stream"
    async with AsyncExitStack() as stack:
        for _ in range(20):  # EVENT_STREAMS_PER_USER
            await stack.enter_async_context(reading(chat, user_of(alice), stream))
        refused.append((await alice.post(path, json={"content": "x"}, headers=EVENTS), 429))
        assert (await alice.post(path, json={"content": "fits"}, headers=JSON)).status_code == 200
    for answer, status in refused:
        assert answer.status_code == status, answer.text
        assert answer.json()["error"]
    assert await contents(alice, conversation) == ["fits"]
