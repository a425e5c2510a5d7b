"""Commands from ``chat.commands``, as any language sends them, on a running service."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
from redis.asyncio import Redis

from common import codec
from common.postgres import Pool
from tests.integration.chat.conftest import entries, post, published
from tests.support.services import Service
from tests.support.wait import eventually

STREAM = "chat.commands"


async def send(bus: Redis, type: str, data: dict[str, Any], **fields: str) -> None:
    event: dict[Any, Any] = {"type": type, "data": codec.dumps_str(data), **fields}
    await bus.xadd(STREAM, event)


async def create(alice: httpx.AsyncClient) -> str:
    return str((await post(alice, "/api/conversations", agentId="module-writer"))["id"])


async def contents(alice: httpx.AsyncClient, id: str, count: int) -> list[str]:
    """A conversation's messages once there are ``count``."""

    async def look() -> list[str]:
        messages = (await alice.get(f"/api/conversations/{id}/messages")).json()["data"]
        assert len(messages) >= count, f"{len(messages)} of {count} messages"
        return [message["content"] for message in messages]

    return await eventually(look)


async def rejection(bus: Redis, command_id: str) -> dict[str, Any]:
    """The fact that a command was rejected, once it is published."""

    async def look() -> dict[str, Any]:
        for fields in await entries(bus, "chat.events"):
            if fields["type"] == "chat.command.rejected.v1":
                data: dict[str, Any] = codec.loads(fields["data"])
                if data["commandId"] == command_id:
                    return data
        return {}

    return await eventually(look)


async def test_an_append_by_hand_works_without_an_id(
    chat: Service, alice: httpx.AsyncClient, bus: Redis
) -> None:
    id = await create(alice)
    await send(bus, "chat.message.append.v1", {"conversationId": id, "role": "user", "content": "by hand"})
    assert await contents(alice, id, 1) == ["by hand"]
    told = await published(bus, id, 2)
    assert [(event["sequence"], event["type"]) for event in told][1] == ("2", "chat.message.appended.v1")


async def test_a_message_is_known_by_its_events_id(
    alice: httpx.AsyncClient, bus: Redis, service_pool: Pool
) -> None:
    id, event_id = await create(alice), str(uuid4())
    data = {"conversationId": id, "role": "assistant", "content": "once", "toolCalls": [{"id": "t"}]}
    for _ in range(3):
        await send(bus, "chat.message.append.v1", data, id=event_id)
    await send(bus, "chat.message.append.v1", {**data, "content": "other"}, id=event_id)
    await send(bus, "chat.message.append.v1", {**data, "content": "last"})
    assert await contents(alice, id, 2) == ["once", "last"]
    assert (await rejection(bus, event_id))["code"] == "id_reused"
    stored = await service_pool.fetchrow("SELECT * FROM messages WHERE id = $1", UUID(event_id))
    assert stored is not None
    assert (stored["content"], stored["tool_calls"]) == ("once", [{"id": "t"}])
    assert [event["sequence"] for event in await published(bus, id, 3)] == ["1", "2", "3"]


async def test_a_whole_conversation_by_commands_in_one_go(alice: httpx.AsyncClient, bus: Redis) -> None:
    """Types mixed in one batch keep the stream's order within their conversation."""
    id, user = str(uuid4()), alice.headers["X-User-Id"]
    commands: list[tuple[str, dict[str, Any]]] = [
        (
            "chat.conversation.create.v1",
            {"id": id, "agentId": "module-writer/concise", "userId": user, "state": {"a": 1}, "title": "T"},
        ),
        ("chat.message.append.v1", {"conversationId": id, "role": "user", "content": "1"}),
        ("chat.conversation.state.patch.v1", {"conversationId": id, "patch": {"b": 2}}),
        ("chat.message.append.v1", {"conversationId": id, "role": "assistant", "content": "2"}),
        (
            "chat.conversation.state.patch.v1",
            {"conversationId": id, "patch": {"a": None}, "expectedVersion": 1},
        ),
        ("chat.conversation.title.set.v1", {"conversationId": id, "title": "New"}),
        ("chat.message.append.v1", {"conversationId": id, "role": "user", "content": "3"}),
    ]
    pipeline = bus.pipeline(transaction=True)
    for type, data in commands:
        pipeline.xadd(STREAM, {"type": type, "data": codec.dumps_str(data)})
    await pipeline.execute()
    told = await published(bus, id, 7)
    assert [(event["sequence"], event["type"].removeprefix("chat.")) for event in told] == [
        ("1", "conversation.created.v1"),
        ("2", "message.appended.v1"),
        ("3", "conversation.state_changed.v1"),
        ("4", "message.appended.v1"),
        ("5", "conversation.state_changed.v1"),
        ("6", "conversation.titled.v1"),
        ("7", "message.appended.v1"),
    ]
    assert told[4]["data"] == {"conversationId": id, "state": {"b": 2}, "version": 2}
    read = (await alice.get(f"/api/conversations/{id}")).json()["data"]
    assert (read["agentId"], read["agentVersion"], read["title"]) == ("module-writer", "concise", "New")
    assert await contents(alice, id, 3) == ["1", "2", "3"]


async def test_a_conversation_without_an_id_takes_its_commands(alice: httpx.AsyncClient, bus: Redis) -> None:
    event_id, user = str(uuid4()), alice.headers["X-User-Id"]
    await send(bus, "chat.conversation.create.v1", {"agentId": "module-writer", "userId": user}, id=event_id)
    await published(bus, event_id, 1)
    assert (await alice.get(f"/api/conversations/{event_id}")).status_code == 200


async def test_a_deleted_id_that_is_used_again_goes_on_counting(alice: httpx.AsyncClient, bus: Redis) -> None:
    id, user = str(uuid4()), alice.headers["X-User-Id"]
    new = {"id": id, "agentId": "module-writer", "userId": user}
    await send(bus, "chat.conversation.create.v1", new)
    await send(bus, "chat.conversation.delete.v1", {"conversationId": id})
    await send(bus, "chat.conversation.create.v1", new)
    await send(bus, "chat.conversation.delete.v1", {"conversationId": id})
    told = await published(bus, id, 4)
    assert [event["sequence"] for event in told] == ["1", "2", "3", "4"]
    assert (await alice.get(f"/api/conversations/{id}")).status_code == 404


async def test_what_can_never_be_done_is_told_with_a_reason(
    chat: Service, alice: httpx.AsyncClient, bus: Redis
) -> None:
    id, nobody = await create(alice), str(uuid4())
    user = alice.headers["X-User-Id"]
    async with chat.client(f"bob-{nobody}") as bob:
        fields = {"name": "Poet", "systemPrompt": "Rhyme.", "tools": [], "model": "grok-fast"}
        agent_of_bob = (await post(bob, "/api/custom-agents", **fields))["id"]
    append, new = "chat.message.append.v1", "chat.conversation.create.v1"
    patch, at_7 = "chat.conversation.state.patch.v1", {"patch": {"a": 1}, "expectedVersion": 7}
    said = {"role": "user", "content": "x"}
    cases: list[tuple[str, dict[str, Any], str]] = [
        (append, {**said, "conversationId": nobody}, "conversation_not_found"),
        (append, {**said, "conversationId": id, "role": "pirate"}, "invalid"),
        (append, {**said, "conversationId": id, "content": "a\u0000"}, "invalid"),
        (patch, {"conversationId": nobody, "patch": {}}, "conversation_not_found"),
        (patch, {"conversationId": id, **at_7}, "version_conflict"),
        (
            "chat.conversation.title.set.v1",
            {"conversationId": nobody, "title": "x"},
            "conversation_not_found",
        ),
        ("chat.conversation.delete.v1", {"conversationId": nobody}, "conversation_not_found"),
        (new, {"id": id, "agentId": "module-writer", "userId": user}, "conversation_exists"),
        (new, {"agentId": "poet", "userId": user}, "unknown_agent"),
        (new, {"agentId": f"custom:{nobody}", "userId": user}, "agent_not_found"),
        (new, {"agentId": f"custom:{agent_of_bob}", "userId": user}, "agent_not_found"),
        ("chat.nonsense.v1", {}, "unknown_type"),
    ]
    ids = [str(uuid4()) for _ in cases]
    for event_id, (type, data, _) in zip(ids, cases, strict=True):
        await send(bus, type, data, id=event_id)
    for event_id, (type, _, code) in zip(ids, cases, strict=True):
        told = await rejection(bus, event_id)
        assert (told["code"], told["commandType"]) == (code, type)
        assert told["reason"]
    assert (await alice.get(f"/api/conversations/{id}/messages")).json() == {"data": []}
    listed = (await alice.get("/api/conversations")).json()["data"]
    assert agent_of_bob not in str(listed)


async def test_a_state_is_replaced_by_command_in_the_order_of_the_stream(
    alice: httpx.AsyncClient, bus: Redis
) -> None:
    id, stale, unknown = await create(alice), str(uuid4()), str(uuid4())
    patch, replace = "chat.conversation.state.patch.v1", "chat.conversation.state.replace.v1"
    await send(bus, patch, {"conversationId": id, "patch": {"gone": 1}})
    await send(bus, replace, {"conversationId": id, "state": {"a": None}, "expectedVersion": 1})
    await send(bus, replace, {"conversationId": id, "state": {}, "expectedVersion": 1}, id=stale)
    await send(bus, replace, {"conversationId": unknown, "state": {}}, id=unknown)
    await send(bus, patch, {"conversationId": id, "patch": {"b": 1}})
    told = await published(bus, id, 4)
    assert [event["data"]["state"] for event in told] == [{}, {"gone": 1}, {"a": None}, {"a": None, "b": 1}]
    lost = await rejection(bus, stale)
    assert lost["code"] == "version_conflict"
    assert lost["details"] == {"conversationId": id, "data": {"state": {"a": None}, "version": 2}}
    assert (await rejection(bus, unknown))["code"] == "conversation_not_found"
    state = (await alice.get(f"/api/conversations/{id}/state")).json()["data"]
    assert state == {"state": {"a": None, "b": 1}, "version": 3}

    stale = str(uuid4())
    await send(bus, replace, {"conversationId": id, "state": {"text": "x" * 70_000}})
    await send(bus, replace, {"conversationId": id, "state": {}, "expectedVersion": 3}, id=stale)
    details = (await rejection(bus, stale))["details"]
    assert details["data"] == {"version": 4, "stateOmitted": True}, "facts repeat no large state"


async def test_http_and_stream_patches_at_once_all_survive(alice: httpx.AsyncClient, bus: Redis) -> None:
    id = await create(alice)
    path = f"/api/conversations/{id}/state"
    await asyncio.gather(
        *(alice.patch(path, json={f"http{i}": i}) for i in range(10)),
        *(
            send(bus, "chat.conversation.state.patch.v1", {"conversationId": id, "patch": {f"stream{i}": i}})
            for i in range(10)
        ),
    )

    async def all_there() -> bool:
        answer = (await alice.get(path)).json()["data"]
        return len(answer["state"]) == 20 and answer["version"] == 20

    await eventually(all_there)
    told = await published(bus, id, 21)
    assert [event["sequence"] for event in told] == [str(i) for i in range(1, 22)]


async def test_a_message_read_again_after_its_conversation_was_deleted_is_a_repeat(
    alice: httpx.AsyncClient, bus: Redis, service_pool: Pool
) -> None:
    id, other, event_id, numbered = await create(alice), await create(alice), str(uuid4()), "no-uuid-7"
    data = {"conversationId": id, "role": "user", "content": "once"}
    await send(bus, "chat.message.append.v1", data, id=event_id)
    await send(bus, "chat.message.append.v1", data, id=numbered, source="elsewhere")
    assert await contents(alice, id, 2) == ["once", "once"]
    assert (await alice.delete(f"/api/conversations/{id}")).status_code == 200

    dead = await bus.xlen(f"{STREAM}.dead")
    await send(bus, "chat.message.append.v1", data, id=event_id)
    await send(bus, "chat.message.append.v1", data, id=numbered, source="elsewhere")
    await send(
        bus, "chat.message.append.v1", {"conversationId": other, "role": "user", "content": "after them"}
    )
    assert await contents(alice, other, 1) == ["after them"]
    assert await bus.xlen(f"{STREAM}.dead") == dead
    assert (
        await service_pool.fetchval("SELECT count(*) FROM messages WHERE conversation_id = $1", UUID(id)) == 0
    )
