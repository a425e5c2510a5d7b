"""One real piece of work through all three services, over their public interfaces."""

from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID

import pytest
from redis.asyncio import Redis

from contracts import chat
from takaro_agent_client import AsyncClient, NotFound
from takaro_agent_client.events import outgoing, redis
from takaro_agent_client.models import Message
from takaro_agent_client.operations import (
    cockpit,
    conversations,
    custom_agents,
    knowledge,
    messages,
    states,
)
from tests.e2e.conftest import BASE, USER, Request
from tests.e2e.follow import command, fact_after, facts_after, newest
from tests.support.wait import eventually


async def test_an_agent_reads_the_handbook_welcomes_a_player_and_is_cleaned_up(
    ada: AsyncClient, bus: Redis
) -> None:
    agent = await ada.send(
        custom_agents.create("Host", "You welcome players.", "any", tools=["say"], knowledge_bases=[BASE])
    )
    assert agent.id in [each async for each in ada.each(knowledge.agents(BASE))]

    before = await newest(bus, "knowledge.events")
    job = await ada.send(knowledge.sync(BASE))
    await fact_after(
        bus,
        "knowledge.events",
        before,
        lambda f: f.type == "knowledge.sync.completed.v1" and f.data["syncId"] in job.job_id,
    )
    question = "How is a player who joins greeted?"
    [hit] = await ada.send(knowledge.search(BASE, question, limit=1))
    assert hit.metadata["sourceFile"] == "welcome.md"

    told = await newest(bus, "chat.events")
    conversation = str((await ada.send(conversations.create(f"custom:{agent.id}"))).id)
    await ada.send(messages.post(conversation, "Welcome who joins."))
    found = {"success": True, "output": hit.model_dump(mode="json")}
    tools = [{"id": "1", "name": "search", "input": {"q": question}, "result": found}]
    said = chat.AppendMessage(
        conversation_id=UUID(conversation), role="assistant", content="Done.", tool_calls=tools
    )
    await redis.publish_async(bus, [outgoing(said, source="test")])
    [_, answer] = await eventually(lambda: _messages(ada, conversation, ["user", "assistant"]))
    assert answer.tool_executions == tools
    patch = chat.PatchState(conversation_id=UUID(conversation), patch={"moduleId": "m-1"})
    await redis.publish_async(bus, [outgoing(patch, source="test")])

    session = (await ada.send(cockpit.session(conversation))).id
    await ada.send(cockpit.start(session))
    async with aclosing(ada.follow(cockpit.events(session))) as events:
        greet = {"conversationId": conversation, "userId": USER, "command": "say Welcome, Ada!"}
        await command(bus, "cockpit.commands", "cockpit.server.execute.v1", greet)
        async for event in events:
            if "chat-message" in event.data:
                assert event.json()["meta"]["msg"] == "Welcome, Ada!"
                break
    await eventually(lambda: _has_state(ada, conversation, {"moduleId": "m-1"}))

    deletion, stops = Request(), await newest(bus, "cockpit.events")
    await ada.send(conversations.delete(conversation), traceparent=deletion.traceparent)
    stopped = await fact_after(
        bus,
        "cockpit.events",
        stops,
        lambda f: f.data.get("conversationId") == conversation and "status" in f.data,  # not what is played
    )
    assert (stopped.type, stopped.data["status"]) == ("cockpit.server.status_changed.v1", "stopped")
    assert stopped.trace_id == deletion.trace_id
    with pytest.raises(NotFound):
        await ada.send(messages.listing(conversation).page(None, None))
    with pytest.raises(NotFound):
        await ada.send(cockpit.status(session))

    facts = await facts_after(bus, "chat.events", told)
    mine = [fact for fact in facts if fact.attributes["subject"] == conversation]
    assert [fact.type.removeprefix("chat.").removesuffix(".v1") for fact in mine] == [
        "conversation.created",
        "message.appended",
        "message.appended",
        "conversation.state_changed",
        "conversation.deleted",
    ]
    assert [fact.attributes["sequence"] for fact in mine] == ["1", "2", "3", "4", "5"]


async def test_a_follower_of_chat_events_gets_every_attribute_of_a_cloud_event(
    ada: AsyncClient, bus: Redis
) -> None:
    request, before = Request(), await newest(bus, "chat.events")
    created = await ada.send(conversations.create("module-writer"), traceparent=request.traceparent)
    conversation = str(created.id)
    fact = await fact_after(bus, "chat.events", before, lambda f: f.data["conversationId"] == conversation)
    assert set(fact.attributes) == {
        "id", "source", "type", "subject", "time", "sequence", "traceparent", "data"
    }  # fmt: skip
    assert UUID(fact.attributes["id"])
    assert fact.attributes["source"] == "/takaro/chat"
    assert fact.attributes["subject"] == conversation
    assert fact.attributes["sequence"] == "1"
    told = datetime.fromisoformat(fact.attributes["time"].replace("Z", "+00:00"))
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60
    assert fact.trace_id == request.trace_id


async def test_a_command_written_by_hand_without_an_id_is_carried_out_once(
    ada: AsyncClient, bus: Redis
) -> None:
    conversation = str((await ada.send(conversations.create("module-writer"))).id)
    said = {"conversationId": conversation, "role": "user", "content": "by hand"}
    for _ in range(2):  # without an id each entry is a separate command
        await command(bus, "chat.commands", "chat.message.append.v1", said)
    await eventually(lambda: _messages(ada, conversation, ["user", "user"]))


async def _messages(client: AsyncClient, conversation: str, roles: list[str]) -> list[Message]:
    """The messages, once they are these."""
    found = [message async for message in client.each(messages.listing(conversation))]
    assert [message.role for message in found] == roles
    return found


async def _has_state(client: AsyncClient, conversation: str, wanted: dict[str, str]) -> bool:
    return (await client.send(states.get(conversation))).state == wanted
