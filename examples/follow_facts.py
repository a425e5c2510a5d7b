"""Follow what happens in conversations, and go on after a restart where it stopped.

    python examples/follow_facts.py position.txt      # until Ctrl-C
    python examples/follow_facts.py position.txt 10   # ten facts

On Redis Streams the file keeps the position. On Kafka (EVENT_BUS_URL=kafka://…) the broker does, for the
group that is named like the file.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

from connection import event_bus
from contracts.chat import FACTS_STREAM
from takaro_agent_client.events import Fact


async def on_redis(bus: str, file: Path) -> AsyncGenerator[Fact | None, None]:
    from redis.asyncio import Redis

    from takaro_agent_client.events import redis
    from takaro_agent_client.events.reading import PositionReader

    reader = PositionReader(FACTS_STREAM, file.read_text() if file.exists() else "0")
    async with Redis.from_url(bus) as client, aclosing(redis.follow_async(client, reader)) as facts:
        async for fact in facts:
            yield fact
            if fact is not None:  # it is handled when the next one is asked for
                file.write_text(fact.position)


async def on_kafka(bus: str, file: Path) -> AsyncGenerator[Fact | None, None]:
    from takaro_agent_client.events import kafka

    reading = kafka.consumer(FACTS_STREAM, group=file.stem, bootstrap_servers=bus.removeprefix("kafka://"))
    async with reading, aclosing(kafka.follow(reading)) as facts:
        async for fact in facts:
            yield fact


async def main(file: Path, count: int) -> None:
    bus = event_bus()
    follow = on_kafka if bus.startswith("kafka://") else on_redis
    async with aclosing(follow(bus, file)) as facts:
        async for fact in facts:
            if count == 0:
                return
            if fact is None:  # nothing new for a second
                continue
            if fact.missed:
                print(f"{fact.missed} facts about {fact.subject} were missed: read it again over HTTP")
            print(fact.type, fact.subject, fact.sequence, flush=True)
            count -= 1


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else -1))
