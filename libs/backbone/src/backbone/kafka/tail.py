"""The end of a Kafka topic, read without a group."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from backbone.events import RawEntry
from backbone.kafka.address import KafkaAddress
from backbone.kafka.binding import entry_of
from backbone.kafka.entries import TopicEntries
from backbone.tail import READ_ENTRIES, WAIT_MILLISECONDS
from common.errors import DependencyAway


class TopicTail:
    """A :class:`backbone.tail.Tail`. An end has the next offset of each partition. Partitions that are added
    later are seen after the next :meth:`begin`."""

    def __init__(self, url: str, topic: str) -> None:
        self._url, self._topic = url, topic
        self._places: list[Any] = []
        self._read: dict[Any, int] = {}
        self._consumer: Any = AIOKafkaConsumer(
            **KafkaAddress.parse(url).client_arguments(),
            client_id="takaro",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )

    async def __aenter__(self) -> Self:
        try:
            await self._consumer.start()
        except BaseException as error:
            await self._consumer.stop()
            if isinstance(error, KafkaError):
                raise _away(error) from error
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def begin(self, most: int) -> Mapping[Any, int]:
        async with TopicEntries(self._url) as entries:
            shelves = await entries.list_shelves([self._topic])
        if not shelves:
            raise DependencyAway(f"there is no topic {self._topic} yet")
        self._places = [TopicPartition(self._topic, int(shelf.rpartition("/")[2])) for shelf in shelves]
        try:
            self._consumer.assign(self._places)
            begins = await self._consumer.beginning_offsets(self._places)
            ends = await self.end()
            for place in self._places:
                self._read[place] = max(begins[place], ends[place] - most // len(self._places))
                self._consumer.seek(place, self._read[place])
        except KafkaError as error:
            raise _away(error) from error
        return ends

    async def read(self) -> Sequence[RawEntry]:
        try:
            read = await self._consumer.getmany(timeout_ms=WAIT_MILLISECONDS, max_records=READ_ENTRIES)
            for place in self._places:  # markers of transactions count, and aren't returned
                self._read[place] = await self._consumer.position(place)
        except KafkaError as error:
            raise _away(error) from error
        return [entry_of(record) for records in read.values() for record in records]

    async def end(self) -> Mapping[Any, int]:
        try:
            ends: Mapping[Any, int] = await self._consumer.end_offsets(self._places)
        except KafkaError as error:
            raise _away(error) from error
        return ends

    def has_read(self, end: Any) -> bool:
        return all(self._read[place] >= offset for place, offset in end.items())


def _away(error: KafkaError) -> DependencyAway:
    return DependencyAway(f"Kafka can't be read: {error!r}")
