"""``tracestate`` and ``baggage`` travel wherever ``traceparent`` does."""

import json
from typing import Any

import httpx
from redis.asyncio import Redis

from tests.e2e.conftest import BASE, USER, Request, System
from tests.e2e.follow import Fact, fact_after, facts_after, newest
from tests.support.wait import eventually

STATE = "vendor=opaque"


def fields(request: Request) -> dict[str, str]:
    """What a request sends, with its own baggage."""
    return request.headers | {"tracestate": STATE, "baggage": f"request={request.span_id}"}


def carried(fact: Fact) -> tuple[str, str | None, str | None]:
    return fact.trace_id, fact.attributes.get("tracestate"), fact.attributes.get("baggage")


def sent(request: Request) -> tuple[str, str, str]:
    return request.trace_id, STATE, f"request={request.span_id}"


async def converse(chat: httpx.AsyncClient) -> str:
    created = await chat.post("/api/conversations", json={"agentId": "module-writer"})
    return str(created.raise_for_status().json()["data"]["id"])


async def test_from_an_http_request_to_its_fact(system: System, bus: Redis) -> None:
    request, before = Request(), await newest(bus, "chat.events")
    async with system["chat"].client(USER) as chat:
        body = {"agentId": "module-writer"}
        (await chat.post("/api/conversations", json=body, headers=fields(request))).raise_for_status()
    fact = await fact_after(bus, "chat.events", before, lambda f: f.trace_id == request.trace_id)
    assert carried(fact) == sent(request)


async def test_from_commands_that_are_handled_together_to_the_fact_of_each(
    system: System, bus: Redis
) -> None:
    requests, before = [Request() for _ in range(3)], await newest(bus, "chat.events")
    async with system["chat"].client(USER) as chat:
        conversation = await converse(chat)
    async with bus.pipeline(transaction=True) as pipeline:
        for number, request in enumerate(requests):
            said = {"conversationId": conversation, "role": "user", "content": str(number)}
            entry: dict[Any, Any] = {"type": "chat.message.append.v1", "data": json.dumps(said)}
            pipeline.xadd("chat.commands", entry | fields(request))
        await pipeline.execute()

    async def appended() -> list[Fact]:
        facts = [f for f in await facts_after(bus, "chat.events", before) if "appended" in f.type]
        assert len(facts) == len(requests)
        return facts

    assert [carried(fact) for fact in await eventually(appended)] == [sent(request) for request in requests]


async def test_from_a_deletion_in_chat_to_the_server_that_stops_in_cockpit(
    system: System, bus: Redis
) -> None:
    request, before = Request(), await newest(bus, "cockpit.events")
    async with system["chat"].client(USER) as chat, system["cockpit"].client(USER) as cockpit:
        conversation = await converse(chat)
        session = (await cockpit.get(f"/api/cockpit/sessions/{conversation}")).json()["data"]["id"]
        await cockpit.post(f"/api/cockpit/sessions/{session}/mock-server/start")
        await chat.delete(f"/api/conversations/{conversation}", headers=fields(request))
    stopped = await fact_after(
        bus, "cockpit.events", before, lambda f: f.data.get("reason") == "conversation_deleted"
    )
    assert carried(stopped) == sent(request)


async def test_from_a_request_through_the_queue_to_the_end_of_its_sync(system: System, bus: Redis) -> None:
    request, before = Request(), await newest(bus, "knowledge.events")
    async with system["knowledge"].client(USER) as knowledge:
        asked = await knowledge.post(f"/api/knowledge-bases/{BASE}/sync", headers=fields(request))
        asked.raise_for_status()
    completed = await fact_after(
        bus,
        "knowledge.events",
        before,
        lambda f: f.type == "knowledge.sync.completed.v1" and f.trace_id == request.trace_id,
    )
    assert carried(completed) == sent(request)


async def test_a_field_that_cant_be_kept_is_left_out_and_its_command_handled(
    system: System, bus: Redis
) -> None:
    request, before = Request(), await newest(bus, "chat.events")
    async with system["chat"].client(USER) as chat:
        conversation = await converse(chat)
    said = {"conversationId": conversation, "role": "user", "content": "hi"}
    entry: dict[Any, Any] = {
        "type": "chat.message.append.v1",
        "data": json.dumps(said),
        "traceparent": request.traceparent,
        "tracestate": "x" * 10_000,
        "baggage": b"\xff\xfe",
    }
    await bus.xadd("chat.commands", entry)
    fact = await fact_after(bus, "chat.events", before, lambda f: f.trace_id == request.trace_id)
    assert carried(fact) == (request.trace_id, None, None)
