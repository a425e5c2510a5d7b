"""Feedback on an assistant's messages."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from common.postgres import Pool
from tests.integration.chat.conftest import NODE_MESSAGE, post, published, user_of


@pytest.fixture
async def conversation_id(alice: httpx.AsyncClient) -> str:
    return str((await post(alice, "/api/conversations", agentId="module-writer"))["id"])


async def _message(pool: Pool, conversation_id: str, role: str = "assistant") -> str:
    row = await pool.fetchrow(NODE_MESSAGE, "an answer", UUID(conversation_id), 30, role, 12, None)
    assert row is not None
    return str(row["id"])


async def _listed(client: httpx.AsyncClient, conversation_id: str) -> list[dict[str, Any]]:
    path = f"/api/conversations/{conversation_id}/messages"
    messages: list[dict[str, Any]] = (await client.get(path)).json()["data"]
    assert (await client.get(path, params={"limit": 10})).json()["data"] == messages
    newest_first = await client.get(path, params={"limit": 10, "order": "desc"})
    assert newest_first.json()["data"] == messages[::-1]
    return messages


async def test_feedback_is_listed_replaced_and_taken_back(
    alice: httpx.AsyncClient, conversation_id: str, service_pool: Pool, bus: Redis
) -> None:
    rated, other = [await _message(service_pool, conversation_id) for _ in range(2)]
    path = f"/api/conversations/{conversation_id}/messages/{rated}/feedback"

    given = (await alice.put(path, json={"rating": "down", "note": "wrong hook 🪝"})).json()["data"]
    assert given == {"rating": "down", "note": "wrong hook 🪝", "at": given["at"]}
    assert [m.get("feedback") for m in await _listed(alice, conversation_id)] == [given, None]
    assert (await alice.put(path, json={"rating": "down", "note": "wrong hook 🪝"})).json()["data"] == given

    changed = (await alice.put(path, json={"rating": "up"})).json()["data"]
    assert changed == {"rating": "up", "at": changed["at"]}
    assert [m.get("feedback") for m in await _listed(alice, conversation_id)] == [changed, None]

    for _ in range(2):
        assert (await alice.delete(path)).json() == {"success": True}
    assert all("feedback" not in message for message in await _listed(alice, conversation_id))

    facts = (await published(bus, conversation_id, 4))[1:]
    assert [(fact["type"], fact["sequence"]) for fact in facts] == [
        ("chat.message.feedback_given.v1", "2"),
        ("chat.message.feedback_given.v1", "3"),
        ("chat.message.feedback_removed.v1", "4"),
    ]
    assert (facts[0]["data"]["rating"], facts[0]["data"]["note"]) == ("down", "wrong hook 🪝")
    assert facts[0]["data"]["messageId"] == rated != other
    assert facts[0]["data"]["userId"] == user_of(alice)
    assert "note" not in facts[1]["data"]


async def test_feedback_that_can_t_be_given(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, conversation_id: str, service_pool: Pool
) -> None:
    answer, question = [
        f"/api/conversations/{conversation_id}/messages/{await _message(service_pool, conversation_id, role)}"
        for role in ("assistant", "user")
    ]
    up = {"rating": "up"}

    async def status(client: httpx.AsyncClient, path: str, body: Any) -> int:
        return (await client.put(f"{path}/feedback", json=body)).status_code

    for body in (
        {},
        {"rating": "maybe"},
        {**up, "note": ""},
        {**up, "note": "x" * 2001},
        {**up, "note": "\x00"},
    ):
        assert await status(alice, answer, body) == 400, body
    assert await status(alice, question, up) == 400
    assert await status(mallory, answer, up) == 403
    assert await status(alice, f"/api/conversations/{conversation_id}/messages/{uuid4()}", up) == 404
    assert await status(alice, f"/api/conversations/{uuid4()}/messages/{uuid4()}", up) == 404
    assert await status(alice, f"/api/conversations/{conversation_id}/messages/x", up) == 400
    assert (await mallory.delete(f"{answer}/feedback")).status_code == 403
    assert all("feedback" not in message for message in await _listed(alice, conversation_id))
