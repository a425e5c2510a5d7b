"""Forking a conversation, and replacing the last message of its user."""

from typing import Any
from uuid import UUID, uuid3, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from chat.forks import use_cases
from chat.search.indexing import index_waiting
from common.postgres import Pool
from tests.integration.chat.conftest import (
    NODE_MESSAGE,
    NewConversation,
    entries,
    facts,
    node_message,
    post,
    published,
)
from tests.support.wait import eventually

TOOLS = [{"id": "t1", "name": "searchDocs"}]


@pytest.fixture
async def talk(alice: httpx.AsyncClient, service_pool: Pool) -> dict[str, Any]:
    """A conversation in which the user asks, the assistant answers with tools, and both do so again."""
    made = await post(alice, "/api/conversations", agentId="module-writer")
    path = f"/api/conversations/{made['id']}"
    assert (await alice.patch(path, json={"title": "Greetings"})).status_code == 200
    assert (await alice.patch(f"{path}/state", json={"moduleId": "m"})).status_code == 200
    for question, answer in (("one", "two"), ("three", "four")):
        await post(alice, f"{path}/messages", content=question)
        await service_pool.fetch(NODE_MESSAGE, answer, UUID(made["id"]), 30, "assistant", 12, TOOLS)
    made = (await alice.get(path)).json()["data"]
    return {**made, "path": path, "messages": await _messages(alice, made["id"])}


async def _messages(client: httpx.AsyncClient, conversation_id: str) -> list[dict[str, Any]]:
    answer = await client.get(f"/api/conversations/{conversation_id}/messages")
    messages: list[dict[str, Any]] = answer.json()["data"]
    return messages


def _copies(fork_id: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = [str(uuid3(UUID(fork_id), message["id"])) for message in messages]
    return [
        {**message, "id": id_, "conversationId": fork_id} for message, id_ in zip(messages, ids, strict=True)
    ]


@pytest.mark.parametrize("kept", [1, 3, None])
async def test_a_fork_has_what_was_until_then(
    alice: httpx.AsyncClient, talk: dict[str, Any], bus: Redis, kept: int | None
) -> None:
    body = {} if kept is None else {"messageId": talk["messages"][kept - 1]["id"]}
    last = talk["messages"][(kept or 4) - 1]

    fork = await post(alice, f"{talk['path']}/fork", **body)

    forked_from = {"conversationId": talk["id"], "messageId": last["id"], "sequence": last["sequence"]}
    assert fork["metadata"] == {"forkedFrom": forked_from}
    for same in ("agentId", "agentVersion", "userId", "title", "state", "provider"):
        assert fork[same] == talk[same], same
    assert await _messages(alice, fork["id"]) == _copies(fork["id"], talk["messages"][:kept])
    assert await _messages(alice, talk["id"]) == talk["messages"]

    following = await post(alice, f"/api/conversations/{fork['id']}/messages", content="and on")
    assert following["sequence"] == last["sequence"] + 1
    created, forked, appended = await published(bus, fork["id"], 3)
    assert [fact["sequence"] for fact in (created, forked, appended)] == ["1", "2", "3"]
    assert (created["type"], created["data"]["metadata"]) == (
        "chat.conversation.created.v1",
        fork["metadata"],
    )
    assert (forked["type"], forked["data"]) == (
        "chat.conversation.forked.v1",
        {
            "conversationId": fork["id"],
            "sourceConversationId": talk["id"],
            "throughSequence": last["sequence"],
            "messages": kept or 4,
        },
    )


async def test_an_empty_conversation_can_be_forked(alice: httpx.AsyncClient) -> None:
    made = await post(alice, "/api/conversations", agentId="module-writer")
    fork = await post(alice, f"/api/conversations/{made['id']}/fork")
    assert fork["metadata"]["forkedFrom"] == {"conversationId": made["id"], "messageId": None, "sequence": 0}
    assert await _messages(alice, fork["id"]) == []


@pytest.mark.parametrize("content", ["instead", None])
async def test_the_users_last_message_is_replaced_and_nothing_is_lost(
    alice: httpx.AsyncClient, talk: dict[str, Any], bus: Redis, content: str | None
) -> None:
    one, two, three, four = talk["messages"]
    thumb = await alice.put(f"{talk['path']}/messages/{four['id']}/feedback", json={"rating": "down"})
    four["feedback"] = thumb.json()["data"]

    body = {} if content is None else {"content": content}
    done = await post(alice, f"{talk['path']}/messages/{three['id']}/replace", **body)

    new, branch = done["message"], done["branch"]
    assert (new["content"], new["role"], new["sequence"]) == (content or "three", "user", 5)
    assert await _messages(alice, talk["id"]) == [one, two, new]
    moved = [{**message, "conversationId": branch["id"]} for message in (three, four)]
    assert await _messages(alice, branch["id"]) == [*_copies(branch["id"], [one, two]), *moved]
    assert branch["metadata"] == {
        "forkedFrom": {"conversationId": talk["id"], "messageId": two["id"], "sequence": 2},
        "replacedBy": {"conversationId": talk["id"], "messageId": new["id"]},
    }
    assert (await post(alice, f"/api/conversations/{branch['id']}/messages", content="on"))["sequence"] == 5

    replaced, appended = (await published(bus, talk["id"], 8))[-2:]
    assert replaced["data"] == {
        "conversationId": talk["id"],
        "messageId": new["id"],
        "replacedMessageId": three["id"],
        "fromSequence": 3,
        "throughSequence": 4,
        "branchConversationId": branch["id"],
    }
    assert (appended["type"], appended["data"]["messageId"]) == ("chat.message.appended.v1", new["id"])
    _, forked, *_ = await published(bus, branch["id"], 2)
    assert forked["data"] == {
        "conversationId": branch["id"],
        "sourceConversationId": talk["id"],
        "throughSequence": 4,
        "messages": 4,
        "movedFromSequence": 3,
    }


async def test_what_can_t_be_forked_or_replaced(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, talk: dict[str, Any]
) -> None:
    one, two, three, _ = [f"{talk['path']}/messages/{message['id']}" for message in talk["messages"]]

    async def status(client: httpx.AsyncClient, path: str, **body: Any) -> int:
        return (await client.post(path, json=body)).status_code

    fork = f"{talk['path']}/fork"
    assert await status(mallory, fork) == 403
    assert await status(alice, fork, messageId=str(uuid4())) == 404
    assert await status(alice, fork, messageId="x") == 400
    assert await status(alice, f"/api/conversations/{uuid4()}/fork") == 404
    assert await status(mallory, f"{three}/replace") == 403
    assert await status(alice, f"{one}/replace") == 409
    assert await status(alice, f"{two}/replace") == 409
    assert await status(alice, f"{talk['path']}/messages/{uuid4()}/replace") == 404
    for content in ("", "\x00", "x" * 50_001, 5):
        assert await status(alice, f"{three}/replace", content=content) == 400
    assert (await alice.post(f"{three}/redact")).status_code == 200
    assert await status(alice, f"{three}/replace") == 409
    assert await status(alice, f"{three}/replace", content="better") == 200


async def test_a_moved_messages_command_that_is_read_again_is_no_other_message(
    alice: httpx.AsyncClient, talk: dict[str, Any], bus: Redis
) -> None:
    command_id = str(uuid4())
    command: dict[Any, Any] = {
        "id": command_id,
        "source": "tests",
        "type": "chat.message.append.v1",
        "data": f'{{"conversationId":"{talk["id"]}","role":"user","content":"five"}}',
    }
    await bus.xadd("chat.commands", command)

    async def stored() -> bool:
        return bool((await _messages(alice, talk["id"]))[-1]["id"] == command_id)

    await eventually(stored)
    done = await post(alice, f"{talk['path']}/messages/{command_id}/replace", content="instead")
    before = await _messages(alice, talk["id"])
    await bus.xadd("chat.commands", command)
    marker = {**command, "id": str(uuid4())}
    await bus.xadd("chat.commands", marker)

    async def handled() -> bool:
        return bool((await _messages(alice, talk["id"]))[-1]["id"] == marker["id"])

    await eventually(handled)
    assert (await _messages(alice, talk["id"]))[:-1] == before
    assert (await _messages(alice, done["branch"]["id"]))[-1]["id"] == command_id
    rejected = [e for e in await entries(bus, "chat.events") if e["type"] == "chat.command.rejected.v1"]
    assert not [e for e in rejected if command_id in e["data"]]


@pytest.mark.parametrize("at_once", [1, 2, 1_000])
async def test_many_messages_are_copied_and_moved_in_parts(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Search and usage too: copies are found, and nobody has used them."""
    monkeypatch.setattr(use_cases, "AT_ONCE", at_once)
    source = await conversation()
    messages = [await node_message(pool, source, f"needle {number}") for number in range(5)]
    used = await pool.fetchval("SELECT sum(messages) FROM chat_usage_entries")

    forked = await use_cases.fork(pool, "alice", source, messages[3]["id"])
    done = await use_cases.replace_message(pool, "alice", source, messages[4]["id"], "needle new")
    while await index_waiting(pool):
        pass

    count = "SELECT array_agg(sequence ORDER BY sequence) FROM {} WHERE conversation_id = $1"
    for conversation_id, places in (
        (forked.id, [1, 2, 3, 4]),
        (done.branch.id, [1, 2, 3, 4, 5]),
        (source, [1, 2, 3, 4, 6]),
    ):
        for table in ("messages", "message_search"):
            assert await pool.fetchval(count.format(table), conversation_id) == places, table
    assert await pool.fetchval("SELECT sum(messages) FROM chat_usage_entries") == used + 1
    assert [sequence for sequence, *_ in await facts(pool, forked.id)] == [1, 2]
