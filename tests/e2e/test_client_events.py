"""Commands to chat and its facts, sent and followed by takaro-agent-client on the real bus."""

from collections.abc import Callable
from contextlib import aclosing
from uuid import uuid4

import redis as sync_redis
from redis.asyncio import Redis

from contracts import chat as contracts
from takaro_agent_client.events import Fact, outgoing, read, redis
from takaro_agent_client.events.reading import GroupReader, PositionReader
from tests.e2e.conftest import Request, System

SOURCE = "test-client"


async def first(bus: Redis, reader: GroupReader | PositionReader, wanted: Callable[[Fact], bool]) -> Fact:
    async with aclosing(redis.follow_async(bus, reader)) as facts:
        async for fact in facts:
            if fact is not None and wanted(fact):
                return fact
    raise AssertionError("facts never end")


async def test_a_command_has_one_effect_and_its_fact_is_followed(system: System, bus: Redis) -> None:
    conversation, message, request = uuid4(), uuid4(), Request()
    create = contracts.CreateConversation(id=conversation, agent_id="module-writer", user_id="ann")
    append = contracts.AppendMessage(conversation_id=conversation, role="assistant", content="hi")
    commands = [outgoing(create, source=SOURCE, trace=request.headers)]
    commands += [outgoing(append, source=SOURCE, id=message, trace=request.headers)] * 2
    await redis.publish_async(bus, commands)
    mine = GroupReader(contracts.FACTS_STREAM, f"group-{conversation}", "worker-1")
    created = await first(bus, mine, lambda fact: fact.subject == str(conversation))
    assert read(created, contracts.ConversationCreated).user_id == "ann"
    assert created.traceparent is not None
    assert created.traceparent.split("-")[1] == request.trace_id
    appended = await first(
        bus, mine, lambda fact: fact.subject == str(conversation) and fact.id != created.id
    )
    assert read(appended, contracts.MessageAppended).message_id == message
    async with system["chat"].client("ann") as chat:
        listed = (await chat.get(f"/api/conversations/{conversation}/messages")).json()["data"]
    assert [each["id"] for each in listed] == [str(message)]
    await bus.xgroup_destroy(contracts.FACTS_STREAM, mine.group)


async def test_a_rejection_names_the_command(system: System, bus: Redis) -> None:
    """The waiting client sends; the rejection is found from where the stream ended."""
    newest = await bus.xrevrange(contracts.FACTS_STREAM, count=1)
    command = outgoing(contracts.DeleteConversation(conversation_id=uuid4()), source=SOURCE)
    with sync_redis.Redis.from_url(system.redis_url) as waiting:
        [entry] = redis.publish(waiting, [command])
    assert "-" in entry
    mine = PositionReader(contracts.FACTS_STREAM, str(newest[0][0]) if newest else "0")
    rejected = await first(bus, mine, lambda fact: fact.data.get("commandId") == command.id)
    assert read(rejected, contracts.ChatCommandRejected).code == "conversation_not_found"
