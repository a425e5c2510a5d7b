"""Publish commands: a conversation is created, and an agent's message appended, without HTTP.

    python examples/publish_commands.py                                    # Redis Streams
    EVENT_BUS_URL=kafka://127.0.0.1:9092 python examples/publish_commands.py

A command that is sent again with its id has no second effect.
"""

import asyncio
import sys
from collections.abc import Sequence
from uuid import uuid4

from connection import event_bus
from contracts import chat
from takaro_agent_client.events import Outgoing, outgoing

SOURCE = "examples"


async def publish(commands: Sequence[Outgoing]) -> None:
    """Send commands, in this order."""
    bus = event_bus()
    if bus.startswith("kafka://"):
        from aiokafka import AIOKafkaProducer

        from takaro_agent_client.events import kafka

        address = bus.removeprefix("kafka://")
        async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
            await kafka.publish(producer, commands)
    else:
        from redis.asyncio import Redis

        from takaro_agent_client.events import redis

        async with Redis.from_url(bus) as client:
            await redis.publish_async(client, commands)


def main() -> None:
    user = sys.argv[1] if len(sys.argv) > 1 else "ann"
    conversation = uuid4()
    create = chat.CreateConversation(id=conversation, agent_id="module-writer", user_id=user)
    append = chat.AppendMessage(conversation_id=conversation, role="assistant", content="How can I help?")
    commands = [outgoing(each, source=SOURCE) for each in (create, append)]
    asyncio.run(publish(commands))
    for command in commands:
        print(command.fields["type"], command.id)
    print(f"conversation {conversation}")


if __name__ == "__main__":
    main()
