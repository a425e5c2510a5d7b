"""Records of Kafka topics, read beside all groups, and tombstones for their keys.

Kafka deletes no single record. A tombstone (a record with the same key and no value) makes a compacted topic
drop the earlier records of the key; other topics keep them until their retention has passed.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from backbone.entry_store import PAGE_BYTES, PAGE_ENTRIES, Page
from backbone.events import RawEntry
from backbone.kafka.address import KafkaAddress
from backbone.kafka.binding import KEY, Record, entry_of
from backbone.kafka.producer import KafkaPublisher
from common.errors import DependencyAway

WAIT_MILLISECONDS = 2_000


class TopicEntries:
    """An :class:`backbone.entry_store.EntryStore`. A shelf is ``topic/partition``, a place is an offset, and
    a mark is a key in hexadecimal digits."""

    def __init__(self, url: str) -> None:
        self._address = KafkaAddress.parse(url)
        self._publisher = KafkaPublisher(self._address)
        self._consumer: Any = None
        # A consumer knows the partitions of its own assignment alone.
        self._admin: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._publisher.stop()
        await self._disconnect()

    async def list_shelves(self, streams: Sequence[str]) -> list[str]:
        try:
            if self._admin is None:
                self._admin = AIOKafkaAdminClient(**self._address.client_arguments(), client_id="takaro")
                await self._admin.start()
            there = set(await self._admin.list_topics())
            known = [stream for stream in streams if stream in there]
            described = await self._admin.describe_topics(known) if known else []
        except KafkaError as error:
            raise await self._away(error) from error
        partitions = {
            topic["topic"]: sorted(each["partition"] for each in topic["partitions"]) for topic in described
        }
        return [f"{stream}/{partition}" for stream in known for partition in partitions[stream]]

    async def get_end(self, shelf: str) -> str:
        consumer, place = await self._connected(), _place_of(shelf)
        try:
            ends = await consumer.end_offsets([place])
        except KafkaError as error:
            raise await self._away(error) from error
        return str(ends[place] - 1)

    async def read(self, shelf: str, after: str | None, through: str) -> Page:
        """Records of an open transaction are waited for: raises :class:`DependencyAway` meanwhile."""
        consumer, place, last = await self._connected(), _place_of(shelf), int(through)
        try:
            begin = (await consumer.beginning_offsets([place]))[place]
            first = begin if after is None else max(begin, int(after) + 1)
            if first > last:
                return Page([], None)
            if place not in consumer.assignment():
                consumer.assign([place])
                consumer.seek(place, first)
            elif await consumer.position(place) != first:
                consumer.seek(place, first)
            read = await consumer.getmany(place, timeout_ms=WAIT_MILLISECONDS, max_records=PAGE_ENTRIES)
            position = await consumer.position(place)
        except KafkaError as error:
            raise await self._away(error) from error
        if position == first:
            raise DependencyAway(f"no answer for offset {first} of {shelf}")
        entries = [entry_of(record) for record in read.get(place, ()) if record.offset <= last]
        return Page(entries, str(position - 1) if position <= last else None)

    def mark_of(self, entry: RawEntry) -> str | None:
        """The record's key. One without a key stays until the retention has passed."""
        key = entry[1].get(KEY)
        return None if key is None else key.hex()

    async def erase(self, shelf: str, marks: Sequence[str]) -> None:
        place = _place_of(shelf)
        tombstones = [Record(bytes.fromhex(mark), None, ()) for mark in marks]
        await self._publisher.send(place.topic, tombstones, partition=place.partition)

    async def _connected(self) -> Any:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **self._address.client_arguments(),
                client_id="takaro",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                max_partition_fetch_bytes=PAGE_BYTES,
            )
            try:
                await consumer.start()
            except KafkaError as error:
                await consumer.stop()
                raise DependencyAway(f"Kafka can't be read: {error!r}") from error
            self._consumer = consumer
        return self._consumer

    async def _away(self, error: KafkaError) -> DependencyAway:
        await self._disconnect()
        return DependencyAway(f"Kafka can't be read: {error!r}")

    async def _disconnect(self) -> None:
        consumer, self._consumer = self._consumer, None
        admin, self._admin = self._admin, None
        if consumer is not None:
            await consumer.stop()
        if admin is not None:
            await admin.close()


def _place_of(shelf: str) -> Any:
    topic, _, partition = shelf.rpartition("/")
    return TopicPartition(topic, int(partition))
