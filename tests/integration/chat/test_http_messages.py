"""Messages over HTTP."""

import asyncio
from uuid import UUID

import httpx
import pytest
from redis.asyncio import Redis

from common.postgres import Pool
from contracts.chat import MAX_USER_CONTENT
from tests.integration.chat.conftest import NODE_MESSAGE, post, published


@pytest.fixture
async def conversation_id(alice: httpx.AsyncClient) -> str:
    return str((await post(alice, "/api/conversations", agentId="module-writer"))["id"])


async def test_a_message_is_stored_and_read_back(alice: httpx.AsyncClient, conversation_id: str) -> None:
    path = f"/api/conversations/{conversation_id}/messages"
    answer = await alice.post(path, json={"content": "héllo 👋"})
    assert answer.status_code == 200
    message = answer.json()["data"]
    assert message == {
        "id": message["id"],
        "conversationId": conversation_id,
        "role": "user",
        "content": "héllo 👋",
        "tokenCount": None,
        "latencyMs": None,
        "createdAt": message["createdAt"],
        "sequence": 1,
    }
    assert (await alice.get(path)).json() == {"data": [message]}


async def test_messages_are_oldest_first_and_show_tools_as_tool_executions(
    alice: httpx.AsyncClient, conversation_id: str, service_pool: Pool
) -> None:
    path = f"/api/conversations/{conversation_id}/messages"
    tools = [
        {"id": "t1", "name": "searchDocs", "result": {"success": True, "output": "é"}, "durationMs": 1.5}
    ]
    await post(alice, path, content="first")
    await service_pool.fetch(NODE_MESSAGE, "second", UUID(conversation_id), 30, "assistant", 12, tools)
    await post(alice, path, content="third")
    messages = (await alice.get(path)).json()["data"]
    assert [message["content"] for message in messages] == ["first", "second", "third"]
    assert messages[1]["toolExecutions"] == tools
    assert (messages[1]["role"], messages[1]["tokenCount"], messages[1]["latencyMs"]) == ("assistant", 12, 30)
    assert "toolExecutions" not in messages[0]


@pytest.mark.parametrize(
    "body",
    [
        b'{"content": ""}',
        b'{"content": 5}',
        b'{"content": null}',
        b"{}",
        b"[]",
        b"",
        b"{",
        b'{"content": "\xff"}',
        b'{"content": "\\ud800"}',
        b'{"content": "' + b"x" * (MAX_USER_CONTENT + 1) + b'"}',
        b'{"content": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        # In the Node application U+0000 was a 500 with SQL in its body.
        b'{"content": "a\\u0000b"}',
        b'{"content": "fine", "other": {"deep": ["\\u0000"]}}',
    ],
)
async def test_what_cannot_be_stored_is_a_400(
    alice: httpx.AsyncClient, conversation_id: str, body: bytes
) -> None:
    path = f"/api/conversations/{conversation_id}/messages"
    answer = await alice.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert "insert" not in answer.text.lower()
    assert (await alice.get(path)).json() == {"data": []}


async def test_a_body_that_is_no_json_is_named_as_a_whole(
    alice: httpx.AsyncClient, conversation_id: str
) -> None:
    path = f"/api/conversations/{conversation_id}/messages"
    answer = await alice.post(path, content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, list(answer.json()["details"])) == (400, ["body"])


async def test_the_longest_message_passes(alice: httpx.AsyncClient, conversation_id: str) -> None:
    content = "é" * MAX_USER_CONTENT
    message = await post(alice, f"/api/conversations/{conversation_id}/messages", content=content)
    assert message["content"] == content


async def test_concurrent_messages_get_one_order_that_all_readers_see(
    alice: httpx.AsyncClient, conversation_id: str, service_pool: Pool
) -> None:
    path = f"/api/conversations/{conversation_id}/messages"
    await asyncio.gather(*(post(alice, path, content=str(i)) for i in range(40)))
    first, second = [(await alice.get(path)).json()["data"] for _ in range(2)]
    assert first == second
    assert sorted(int(message["content"]) for message in first) == list(range(40))
    times = await service_pool.fetchval(
        "SELECT count(DISTINCT created_at) FROM messages WHERE conversation_id = $1", UUID(conversation_id)
    )
    assert times == 40


async def test_a_message_over_http_leaves_its_fact(
    alice: httpx.AsyncClient, conversation_id: str, bus: Redis
) -> None:
    message = await post(alice, f"/api/conversations/{conversation_id}/messages", content="told")
    told = await published(bus, conversation_id, 2)
    assert [event["type"] for event in told] == [
        "chat.conversation.created.v1",
        "chat.message.appended.v1",
    ]
    assert [event["sequence"] for event in told] == ["1", "2"]
    assert told[1]["data"]["messageId"] == message["id"]
    assert told[1]["data"]["content"] == "told"
