"""Commands and facts on a Kafka-compatible broker with takaro-agent-client."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts import chat as contracts
from takaro_agent_client.events import Fact, InProcess, Memory, outgoing
from takaro_agent_client.events.kafka import consumer, follow, publish
from takaro_agent_client.runtime import connect
from tests.support.servers import free_port
from tests.support.tansu import TansuServer

EXAMPLES = Path(__file__).parents[3] / "examples"
TOPICS = (contracts.COMMANDS_STREAM, contracts.FACTS_STREAM)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[str]:
    server = TansuServer(tmp_path / "tansu", free_port())
    server.start()
    address = server.url.removeprefix("kafka://")
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1) for topic in TOPICS])
    await admin.close()
    yield address
    server.stop()


async def read(broker: str, topic: str, count: int, group: str, memory: Memory | None = None) -> list[Fact]:
    """So many facts, and then what comes until nothing does."""
    reading = consumer(
        topic, group=group, bootstrap_servers=broker, session_timeout_ms=2_000, heartbeat_interval_ms=500
    )
    await reading.start()
    seen: list[Fact] = []
    try:
        async with aclosing(follow(reading, memory=memory, wait_milliseconds=50)) as facts:
            async for fact in facts:
                if fact is not None:
                    seen.append(fact)
                elif len(seen) >= count:
                    return seen
    finally:
        await reading.stop()
    return seen


async def test_commands_and_facts_are_cloud_events(broker: str) -> None:
    """What ours send is read by the same rules; repeats and tombstones are left out, gaps are told."""
    conversation = uuid4()
    append = contracts.AppendMessage(conversation_id=conversation, role="assistant", content="hi")
    command = outgoing(append, source="test", trace={"traceparent": "00-ab"})
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all")
    await producer.start()
    try:
        await publish(producer, [command])
        for id, sequence in (("f1", b"1"), ("f2", b"2"), ("f2", b"2"), ("f5", b"5")):
            attributes = {"id": id.encode(), "type": b"t", "subject": b"c", "sequence": sequence}
            headers = [(f"ce_{name}", value) for name, value in attributes.items()]
            await producer.send_and_wait(contracts.FACTS_STREAM, b"{}", key=b"c", headers=headers)
        await producer.send_and_wait(contracts.FACTS_STREAM, None, key=b"c")
    finally:
        await producer.stop()
    [sent] = await read(broker, contracts.COMMANDS_STREAM, 1, "commands")
    assert (sent.id, sent.type, sent.subject) == (command.id, append.type, str(conversation))
    assert sent.traceparent == "00-ab"
    assert sent.data == {"conversationId": str(conversation), "role": "assistant", "content": "hi"}
    memory = InProcess()
    facts = await read(broker, contracts.FACTS_STREAM, 3, "facts", memory)
    assert [(fact.id, fact.missed) for fact in facts] == [("f1", 0), ("f2", 0), ("f5", 2)]
    assert await read(broker, contracts.FACTS_STREAM, 0, "others", memory) == []


@pytest.mark.large
async def test_the_examples_publish_and_follow_on_kafka(broker: str, tmp_path: Path) -> None:
    """The second one goes on after what the first one saw."""
    settings = {**os.environ, "EVENT_BUS_URL": f"kafka://{broker}"}

    async def example(*command: str) -> list[str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=EXAMPLES, env=settings, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        return said.decode().splitlines()

    *published, conversation = await example("publish_commands.py")
    sent = await read(broker, contracts.COMMANDS_STREAM, 2, "commands")
    assert [f"{command.type} {command.id}" for command in sent] == published
    assert {f"conversation {command.subject}" for command in sent} == {conversation}
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all")
    await producer.start()
    for number in (b"1", b"2"):
        headers = [("ce_id", number), ("ce_type", b"t"), ("ce_subject", b"c"), ("ce_sequence", number)]
        await producer.send_and_wait(contracts.FACTS_STREAM, b"{}", key=b"c", headers=headers)
        assert await example("follow_facts.py", str(tmp_path / "group"), "1") == [f"t c {number.decode()}"]
    await producer.stop()


@pytest.mark.large  # a broker waits for members of a group that left
async def test_a_runtime_reads_on_after_a_restart_and_announces(broker: str) -> None:
    announced = contracts.AnnounceAgent(agent_id="echo", model="m", description="d", ttl_seconds=30)
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all")
    await producer.start()
    try:
        for id in ("f1", "f2"):
            headers = [("ce_id", id.encode()), ("ce_type", b"t"), ("ce_subject", b"c")]
            await producer.send_and_wait(contracts.FACTS_STREAM, b"{}", key=b"c", headers=headers)
            async with (
                connect(f"kafka://{broker}", group="runtimes") as bus,
                aclosing(bus.facts()) as facts,
            ):
                seen = [fact async for fact in until_quiet(facts)]
                assert [fact.id for fact in seen] == [id]
                await bus.publish([outgoing(announced, source="test")])
    finally:
        await producer.stop()
    sent = await read(broker, contracts.COMMANDS_STREAM, 2, "commands")
    assert [each.type for each in sent] == [announced.type] * 2


async def until_quiet(facts: AsyncGenerator[Fact | None, None]) -> AsyncGenerator[Fact, None]:
    """What comes until nothing does, once something has."""
    some = False
    async for fact in facts:
        if fact is not None:
            some = True
            yield fact
        elif some:
            return
