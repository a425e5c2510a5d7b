"""POSTs with an Idempotency-Key, sent again: to a chat that was killed, to another one, with other bodies."""

import asyncio
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from common.postgres import Pool
from tests.integration.chat.conftest import post, published, user_of
from tests.support.raw_http import connected, request
from tests.support.repeats import expect_one_effect
from tests.support.services import Service, running
from tests.support.wait import eventually

CONVERSATIONS = "/api/conversations"
AGENT = {"name": "Helper", "systemPrompt": "Help.", "tools": [], "model": "gpt-oss"}


@pytest.fixture
async def messages(alice: httpx.AsyncClient) -> str:
    conversation = await post(alice, CONVERSATIONS, agentId="module-writer")
    return f"{CONVERSATIONS}/{conversation['id']}/messages"


async def contents(client: httpx.AsyncClient, messages: str) -> list[str]:
    return [message["content"] for message in (await client.get(messages)).json()["data"]]


async def test_each_post_commits_its_effect_with_its_answer(
    alice: httpx.AsyncClient, service_pool: Pool, service_database: str
) -> None:
    async def conversations() -> int:
        count = "SELECT count(*) FROM conversations WHERE user_id = $1"
        return int(await service_pool.fetchval(count, user_of(alice)))

    async def agents() -> int:
        count = "SELECT count(*) FROM custom_agents WHERE user_id = $1"
        return int(await service_pool.fetchval(count, user_of(alice)))

    async def sent() -> int:
        return len(await contents(alice, path))

    made = await expect_one_effect(
        service_database, alice, CONVERSATIONS, {"agentId": "module-writer"}, conversations
    )
    path = f"{CONVERSATIONS}/{made['id']}/messages"
    await expect_one_effect(service_database, alice, path, {"content": "hi"}, sent)
    await expect_one_effect(service_database, alice, "/api/custom-agents", AGENT, agents)
    assert await conversations() == await sent() == await agents() == 1


async def test_a_kill_between_the_effect_and_its_answer_doubles_nothing(
    chat: Service, alice: httpx.AsyncClient, messages: str, bus: Redis
) -> None:
    """The client reads nothing of the answer. Redis, which knows nothing of keys, is wiped too."""
    key = f"Idempotency-Key: {uuid4()}"
    body = b'{"content": "once"}'
    head = ("Content-Type: application/json", f"Content-Length: {len(body)}", key)
    async with connected(chat) as lost:
        await lost.send(request(f"POST {messages}", *head, user=user_of(alice)) + body)

        async def stored() -> bool:
            return await contents(alice, messages) == ["once"]

        await eventually(stored)
        await chat.kill()
    await bus.flushall()
    await chat.start()
    headers = {"Idempotency-Key": key.partition(": ")[2], "Content-Type": "application/json"}
    again = await alice.post(messages, content=body, headers=headers)
    assert again.status_code == 200, again.text
    assert again.headers["Idempotent-Replayed"] == "true"
    [message] = (await alice.get(messages)).json()["data"]
    assert again.json() == {"data": message}


async def test_a_kill_before_the_commit_leaves_the_key_free(
    chat: Service, alice: httpx.AsyncClient, messages: str, service_pool: Pool
) -> None:
    conversation_id = messages.split("/")[3]
    headers = {"Idempotency-Key": str(uuid4())}
    async with service_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM conversations WHERE id = $1 FOR UPDATE", conversation_id)
        sending = asyncio.create_task(alice.post(messages, json={"content": "once"}, headers=headers))
        waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        await eventually(lambda: service_pool.fetch(waits))
        await chat.kill()
        with pytest.raises(httpx.TransportError):
            await sending
    await chat.start()
    for _ in range(2):
        assert (await alice.post(messages, json={"content": "once"}, headers=headers)).status_code == 200
    assert await contents(alice, messages) == ["once"]


async def test_another_process_knows_the_key(
    chat: Service,
    alice: httpx.AsyncClient,
    messages: str,
    service_database: str,
    redis_url: str,
    tmp_path: Path,
) -> None:
    """Ten at once, half of them at each."""
    headers = {"Idempotency-Key": str(uuid4())}
    async with (
        running(
            "chat",
            database_url=service_database,
            redis_url=f"{redis_url}/5",
            folder=tmp_path,
            instance="chat-2",
        ) as second,
        second.client(user_of(alice), timeout=60) as there,
    ):
        answers = await asyncio.gather(
            *(
                client.post(messages, json={"content": "hi"}, headers=headers, timeout=60)
                for client in (alice, there) * 5
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert await contents(alice, messages) == ["hi"]


async def test_what_else_a_key_is_answered_with(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, messages: str, bus: Redis
) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await alice.post(messages, json={"content": "hi"}, headers=headers)).status_code == 200
    for path, body in ((messages, {"content": "ho"}), (CONVERSATIONS, {"content": "hi"})):
        answer = await alice.post(path, json=body, headers=headers)
        assert (answer.status_code, list(answer.json())) == (422, ["error"])
    # Somebody else's key is theirs, and what is refused has no effect and is asked anew.
    for _ in range(2):
        assert (await mallory.post(messages, json={"content": "hi"}, headers=headers)).status_code == 403
    for wrong, status in (({"content": ""}, 400), ({"content": "fine"}, 200)):
        answer = await alice.post(messages, json=wrong, headers={"Idempotency-Key": "other"})
        assert answer.status_code == status, answer.text
    for odd in (b"", b"a b", b"\xe4", b"x" * 256):
        answer = await alice.post(messages, json={"content": "hi"}, headers={b"Idempotency-Key": odd})
        assert (answer.status_code, list(answer.json()["details"])) == (400, ["Idempotency-Key"]), odd
    assert await contents(alice, messages) == ["hi", "fine"]
    # A method that is safe to repeat by itself takes no notice of it.
    assert (await alice.get(messages, headers=headers)).status_code == 200
    facts = await published(bus, messages.split("/")[3], 3)
    assert [fact["type"].split(".")[2] for fact in facts] == ["created", "appended", "appended"]
