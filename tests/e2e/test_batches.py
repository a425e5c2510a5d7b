"""Requests that are handled together stay separate in their traces."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from redis.asyncio import Redis

from takaro_agent_client import AsyncClient
from takaro_agent_client.operations import cockpit, conversations
from tests.e2e.conftest import Request, System
from tests.e2e.follow import Fact, fact_after, facts_after, newest
from tests.support.wait import eventually

COUNT = 25


async def test_each_command_of_a_batch_has_a_trace_of_its_own(
    system: System, bus: Redis, ada: AsyncClient
) -> None:
    conversation = str((await ada.send(conversations.create("module-writer"))).id)
    before = await newest(bus, "chat.events")
    requests = [Request() for _ in range(COUNT)]
    async with bus.pipeline(transaction=True) as pipeline:
        for number, request in enumerate(requests):
            said = {"conversationId": conversation, "role": "assistant", "content": str(number)}
            fields: dict[Any, Any] = {"type": "chat.message.append.v1", "data": json.dumps(said)}
            pipeline.xadd("chat.commands", fields | {"traceparent": request.traceparent})
        await pipeline.execute()

    async def told() -> list[Fact]:
        """The traces of the messages. The fact of the conversation's creation may arrive later than was
        requested."""
        facts = await facts_after(bus, "chat.events", before)
        appended = [fact for fact in facts if fact.type == "chat.message.appended.v1"]
        assert len(appended) >= COUNT
        return appended

    facts = await eventually(told)
    assert [fact.trace_id for fact in facts] == [request.trace_id for request in requests]
    for request in requests:
        spans = await system.trace(request, "chat: process chat.commands", "chat: send chat.events")
        by_name = {span["name"]: span for span in spans}
        assert by_name["send chat.events"]["parentSpanId"] == by_name["process chat.commands"]["spanId"]
    ours = {request.trace_id for request in requests}
    assert len(_linked_by_batches(system) & ours) > 1  # written at once: some were handled together


async def test_deletions_that_cockpit_hears_of_together_end_in_their_own_traces(
    bus: Redis, client_for: Callable[[str], AsyncClient]
) -> None:
    deletions = {}
    for number in range(4):
        player = client_for(f"player-{number}")
        conversation = str((await player.send(conversations.create("module-writer"))).id)
        session = await player.send(cockpit.session(conversation))
        await player.send(cockpit.start(session.id))
        deletions[conversation] = Request()
    before = await newest(bus, "cockpit.events")
    async with bus.pipeline(transaction=True) as pipeline:
        for conversation, request in deletions.items():
            fields: dict[Any, Any] = {
                "type": "chat.conversation.delete.v1",
                "data": json.dumps({"conversationId": conversation}),
                "traceparent": request.traceparent,
            }
            pipeline.xadd("chat.commands", fields)
        await pipeline.execute()
    for conversation, request in deletions.items():
        stopped = await fact_after(bus, "cockpit.events", before, partial(_stops, conversation))
        assert stopped.trace_id == request.trace_id


def _stops(conversation: str, fact: Fact) -> bool:
    """Whether it says that the conversation's server stopped; that it runs may be told late."""
    return bool(fact.data["conversationId"] == conversation and fact.data.get("status") == "stopped")


def _linked_by_batches(system: System) -> set[str]:
    """The traces that traces of batches link to."""
    batches = [
        trace["traceId"]
        for trace in system.spans.recent(1000)
        if trace["name"] == "process chat.commands batch"
    ]
    return {
        link["traceId"] for batch in batches for span in system.spans.trace(batch) for link in span["links"]
    }
