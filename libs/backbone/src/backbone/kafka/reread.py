"""Reads single records again, by partition and offset, beside the group's own consumer."""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from backbone.events import RawEntry
from backbone.kafka.address import KafkaAddress
from backbone.kafka.binding import entry_of, place_of
from common.errors import DependencyAway

FETCH_BYTES = 256 * 1024
CHUNK = 500
WAIT_MILLISECONDS = 2_000


class Rereader:
    """Reads entries that are due for a retry, of which only ids are kept. It connects at first use."""

    def __init__(self, address: KafkaAddress, topic: str) -> None:
        self._address, self._topic = address, topic
        self._consumer: Any = None
        self._lock = asyncio.Lock()

    async def fetch(self, entry_ids: Sequence[str]) -> list[RawEntry]:
        """The entries in order of partition and offset, without those that no longer exist.

        Raises :class:`DependencyAway`.
        """
        places: dict[int, list[int]] = {}
        for partition, offset in map(place_of, entry_ids):
            places.setdefault(partition, []).append(offset)
        async with self._lock:
            try:
                return [
                    entry
                    for partition, offsets in places.items()
                    for entry in await self._read(TopicPartition(self._topic, partition), sorted(offsets))
                ]
            except KafkaError as error:
                await self._close()
                raise DependencyAway(f"records of {self._topic} can't be read again: {error!r}") from error

    async def _read(self, partition: Any, offsets: Sequence[int]) -> list[RawEntry]:
        consumer = await self._connected()
        consumer.assign([partition])
        found: list[RawEntry] = []
        wanted, chunk = list(offsets), dict[int, Any]()
        while wanted:
            offset = wanted[0]
            if offset not in chunk:
                consumer.seek(partition, offset)
                read = await consumer.getmany(partition, timeout_ms=WAIT_MILLISECONDS, max_records=CHUNK)
                chunk = {record.offset: record for record in read.get(partition, ())}
                if not chunk and await consumer.position(partition) == offset:
                    raise KafkaError(f"no answer for offset {offset}")
            if offset in chunk:
                found.append(entry_of(chunk[offset]))
            wanted.pop(0)
        return found

    async def _connected(self) -> Any:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **self._address.client_arguments(),
                client_id="takaro",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                max_partition_fetch_bytes=FETCH_BYTES,
                request_timeout_ms=5_000,
            )
            self._consumer = consumer
            await consumer.start()
        return self._consumer

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def stop(self) -> None:
        """Close the connections."""
        async with self._lock:
            await self._close()
