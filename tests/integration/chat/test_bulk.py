"""Many messages in one request: all of them in order, or none."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.chat.conftest import post, published


@pytest.fixture
async def path(alice: httpx.AsyncClient) -> str:
    """Where a fresh conversation's messages are appended."""
    id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    return f"/api/conversations/{id}/messages"


def turn() -> list[dict[str, Any]]:
    """A message of each role, with tool records."""
    return [
        {"id": str(uuid4()), "role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "",
            "toolExecutions": [{"id": "t1", "name": "search", "result": {"success": True, "output": "é"}}],
            "toolResults": {"t1": [1, 2.5, None]},
            "tokenCount": 12,
            "latencyMs": 30,
            "model": "gpt-5",
        },
        {"role": "tool", "content": "found"},
        {"role": "system", "content": "be brief"},
    ]


async def test_messages_of_all_roles_are_appended_in_order_each_with_its_fact(
    alice: httpx.AsyncClient, path: str, bus: Redis
) -> None:
    await post(alice, path, content="before")
    sent = turn()
    stored = (await alice.post(f"{path}/bulk", json={"messages": sent})).raise_for_status().json()["data"]
    for number, (message, asked) in enumerate(zip(stored, sent, strict=True), start=2):
        assert message["sequence"] == number
        assert {name: message[name] for name in asked} == asked
    assert (await alice.get(path)).json()["data"][1:] == stored
    told = await published(bus, path.split("/")[3], 6)
    assert [fact["type"] for fact in told[2:]] == ["chat.message.appended.v1"] * 4
    assert [fact["sequence"] for fact in told] == [str(n) for n in range(1, 7)]
    assert [fact["data"]["messageId"] for fact in told[2:]] == [message["id"] for message in stored]
    assert told[3]["data"]["toolCalls"] == sent[1]["toolExecutions"]


async def test_a_bulk_of_a_thousand_is_sent_again_without_effect(alice: httpx.AsyncClient, path: str) -> None:
    messages = [{"id": str(uuid4()), "role": "user", "content": str(n)} for n in range(1_000)]
    first = (await alice.post(f"{path}/bulk", json={"messages": messages}, timeout=60)).json()
    again = (await alice.post(f"{path}/bulk", json={"messages": messages}, timeout=60)).json()
    assert again == first
    assert [message["content"] for message in (await alice.get(path)).json()["data"]] == [
        str(n) for n in range(1_000)
    ]


async def test_one_message_that_cannot_be_appended_keeps_all_out(alice: httpx.AsyncClient, path: str) -> None:
    taken = await post(alice, path, content="taken")
    fine = {"role": "user", "content": "fine"}
    refused: list[tuple[int, list[dict[str, Any]]]] = [
        (409, [fine, {"id": taken["id"], "role": "user", "content": "another"}]),
        (409, [{"id": str(uuid4()), "role": role, "content": "x"} for role in ("user", "tool")]),
        (400, [fine, {"role": "user", "content": ""}]),
        (400, [fine, {"role": "robot", "content": "x"}]),
        (400, [fine, {"role": "tool", "content": "x", "toolExecutions": {"a": 1}}]),
        (400, [fine, {"role": "tool", "content": "x", "tokenCount": -1}]),
        (400, [fine, {"id": "1", "role": "user", "content": "x"}]),
        (400, [fine] * 1_001),
        (400, []),
        (413, [fine, {"role": "tool", "content": "x", "toolResults": [1e308] * 20_000}]),
    ]
    refused[1][1][1]["id"] = refused[1][1][0]["id"]
    for status, messages in refused:
        answer = await alice.post(f"{path}/bulk", json={"messages": messages})
        assert answer.status_code == status, answer.text
    named = await alice.post(f"{path}/bulk", json={"messages": refused[0][1]})
    assert named.json()["error"].startswith("messages.1: ")
    assert [message["content"] for message in (await alice.get(path)).json()["data"]] == ["taken"]


async def test_anothers_conversation_takes_no_bulk_not_even_one_that_is_stored(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, path: str
) -> None:
    body = {"messages": turn()}
    await alice.post(f"{path}/bulk", json=body)
    assert (await mallory.post(f"{path}/bulk", json=body)).status_code == 403
    nowhere = f"/api/conversations/{uuid4()}/messages/bulk"
    assert (await alice.post(nowhere, json=body)).status_code == 404


async def test_a_message_with_the_callers_id_is_stored_once(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, path: str, bus: Redis
) -> None:
    body = {"id": str(uuid4()), "content": "hi"}
    answers = await asyncio.gather(*(alice.post(path, json=body) for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}
    [message] = {tuple(sorted(answer.json()["data"].items())) for answer in answers}
    assert dict(message)["id"] == body["id"]
    assert (await alice.get(path)).json()["data"] == [dict(message)]
    assert len(await published(bus, path.split("/")[3], 2)) == 2

    other = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    assert (await alice.post(path, json={**body, "content": "ho"})).status_code == 409
    assert (await alice.post(f"/api/conversations/{other}/messages", json=body)).status_code == 409
    assert (await mallory.post(path, json=body)).status_code == 403
    assert (await alice.post(path, json={**body, "id": "1"})).status_code == 400
    again = await alice.post(f"{path}/bulk", json={"messages": [{**body, "role": "user"}]})
    assert again.json()["data"] == [dict(message)]


async def test_one_who_may_not_post_with_an_id_does_not_take_it_from_one_who_may(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, path: str
) -> None:
    for _ in range(5):
        body = {"id": str(uuid4()), "content": "hi"}
        refused, taken = await asyncio.gather(mallory.post(path, json=body), alice.post(path, json=body))
        assert (refused.status_code, taken.status_code) == (403, 200)
