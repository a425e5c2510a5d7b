"""The bus of a runtime on Kafka (the extra ``kafka``)."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from takaro_agent_client.errors import ConnectionFailed
from takaro_agent_client.events import Fact, InProcess, Outgoing
from takaro_agent_client.events.kafka import consumer, follow, publish
from takaro_agent_client.runtime.buses import FACTS, Bus

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
SUBJECTS = 10_000


@asynccontextmanager
async def connect_kafka(address: str, *, group: str) -> AsyncIterator[Bus]:
    """The brokers at ``address``, read as a member of ``group``."""
    reading = consumer(FACTS, group=group, bootstrap_servers=address)
    producing = AIOKafkaProducer(bootstrap_servers=address, acks="all")  # announcements may come twice
    async with reading, producing:
        yield KafkaBus(reading, producing)


class KafkaBus:
    """Reads as a member of a group, and publishes. Both are started and stopped by the caller."""

    def __init__(self, reading: AIOKafkaConsumer, producing: AIOKafkaProducer) -> None:
        self._reading, self._producing = reading, producing
        self._memory = InProcess(SUBJECTS)

    async def facts(self) -> AsyncGenerator[Fact | None, None]:
        while True:
            try:
                async with aclosing(follow(self._reading, memory=self._memory)) as facts:
                    async for fact in facts:
                        yield fact
            except KafkaError as error:  # among them a commit of partitions that another process has by now
                log.warning("Kafka can't be read, trying again: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)

    async def publish(self, commands: Sequence[Outgoing]) -> None:
        try:
            await publish(self._producing, commands)
        except KafkaError as error:
            raise ConnectionFailed(str(error) or repr(error)) from error
