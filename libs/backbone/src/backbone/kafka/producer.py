"""Publishing to Kafka, in order for each key even when requests fail.

aiokafka's own ``send`` puts records of one partition into several batches, and a later batch may succeed
after an earlier one has expired. Here each partition has one batch in flight. The next is sent when all
in-sync replicas have acknowledged it; after an error none is sent.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    UnknownError,
    UnsupportedVersionError,
)
from aiokafka.partitioner import DefaultPartitioner

from backbone.kafka.address import KafkaAddress
from backbone.kafka.binding import Record, entry_id, record_of_event
from backbone.publishing import EntryFields
from common.errors import DependencyAway

log = structlog.get_logger()

BATCH_BYTES = 900_000
"""Below the 1 MiB that brokers accept by default. A larger record is sent alone, and its topic must allow
it."""

REQUEST_BYTES = 64 * 1024 * 1024
REQUEST_MILLISECONDS = 5_000
STOP_SECONDS = 3.0


class KafkaPublisher:
    """Publishes the relay's facts and dead letters. It connects at first use."""

    system: ClassVar[str] = "kafka"

    def __init__(self, address: KafkaAddress) -> None:
        self._address = address
        self._producer: Any = None
        self._connecting = asyncio.Lock()
        self._partitioner = DefaultPartitioner()

    async def publish(self, stream: str, entries: Sequence[EntryFields]) -> Sequence[str]:
        """See :class:`backbone.publishing.Publisher`."""
        return await self.send(stream, [record_of_event(fields) for fields in entries])

    async def send(self, topic: str, records: Sequence[Record], *, partition: int | None = None) -> list[str]:
        """Append ``records``, each to the partition of its key unless one is given. Returns their ids once
        all in-sync replicas have acknowledged every record.

        Raises :class:`DependencyAway`. In that case a prefix of each partition's records may be stored.
        """
        try:
            producer = await self._connected()
            partitions = sorted(await producer.partitions_for(topic))
            lanes: dict[int, list[int]] = defaultdict(list)
            for i, record in enumerate(records):
                by_key = self._partitioner(record.key, partitions, partitions)
                lanes[by_key if partition is None else partition].append(i)
            ids = [""] * len(records)
            outcomes = await asyncio.gather(
                *(self._send_lane(producer, topic, p, records, lane, ids) for p, lane in lanes.items()),
                return_exceptions=True,
            )
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
        except KafkaError as error:
            if not error.retriable:
                await self.stop()  # it may be unusable now: the next attempt makes another
            raise DependencyAway(f"Kafka did not take records for {topic}: {error!r}") from error
        return ids

    async def _send_lane(
        self,
        producer: Any,
        topic: str,
        partition: int,
        records: Sequence[Record],
        lane: Sequence[int],
        ids: list[str],
    ) -> None:
        """Append the records at the positions ``lane`` to one partition, one batch after another."""
        rest = list(lane)
        while rest:
            batch = producer.create_batch()
            count = 0
            for i in rest:
                record = records[i]
                if (
                    batch.append(
                        key=record.key, value=record.value, timestamp=None, headers=list(record.headers)
                    )
                    is None
                ):
                    break
                count += 1
            batch.close()
            stored = await (await producer.send_batch(batch, topic, partition=partition))
            for n, i in enumerate(rest[:count]):
                ids[i] = entry_id(topic, partition, stored.offset + n)
            rest = rest[count:]

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._producer is None:
                try:
                    self._producer = await self._start(idempotent=True)
                except (UnknownError, UnsupportedVersionError, ClusterAuthorizationFailedError) as error:
                    # A retried request may then be stored twice. Consumers recognise repeats by the event's
                    # id.
                    log.warning("the broker has no idempotent producers", error=repr(error))
                    self._producer = await self._start(idempotent=False)
            return self._producer

    async def _start(self, *, idempotent: bool) -> Any:
        producer = AIOKafkaProducer(
            **self._address.client_arguments(),
            client_id="takaro",
            acks="all",
            enable_idempotence=idempotent,
            max_batch_size=BATCH_BYTES,
            max_request_size=REQUEST_BYTES,
            request_timeout_ms=REQUEST_MILLISECONDS,
        )
        try:
            await producer.start()
        except BaseException:
            await _stop(producer)
            raise
        return producer

    async def stop(self) -> None:
        """Close the connections. What isn't acknowledged by then counts as unpublished."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)


async def _stop(producer: Any) -> None:
    with suppress(Exception):
        await asyncio.wait_for(producer.stop(), STOP_SECONDS)
