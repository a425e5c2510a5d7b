"""The partitions assigned to a process: what was read, what is done, and what is committed."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from redis.asyncio import Redis
from redis.exceptions import RedisError

from backbone import inbox
from backbone.burials import Burials
from backbone.dead_letters import DeadLetter, dead_fields, dead_stream
from backbone.events import RawEntry, decode_entry
from backbone.failures import Failures
from backbone.handlers import FAILED, Rejection
from backbone.kafka.binding import entry_of, place_of, record_of_entry
from backbone.kafka.fencing import PartitionFence
from backbone.kafka.producer import KafkaPublisher
from backbone.kafka.reread import Rereader
from common.postgres import Pool, transaction, tried_again

log = structlog.get_logger()

COMMIT_SECONDS = 3.0
POSITION_SECONDS = 1.0


@dataclass(slots=True)
class Progress:
    """One partition. ``next`` is the next offset to read; ``open`` has the offsets read and not done."""

    next: int
    committed: int
    sure: bool = False
    open: set[int] = field(default_factory=set)

    @property
    def low(self) -> int:
        """The offset to commit: everything below it is done."""
        return min(self.open, default=self.next)


class Partitions:
    """A :class:`backbone.source.Source`: one assignment of partitions of one topic."""

    system: ClassVar[str] = "kafka"

    def __init__(
        self,
        topic: str,
        group: str,
        starts: Mapping[int, int],
        fence: PartitionFence,
        *,
        consumer: Any,
        publisher: KafkaPublisher,
        rereader: Rereader,
        redis: Redis,
        pool: Pool,
    ) -> None:
        self.stream, self.name, self.fence = topic, group, fence
        self.failures = Failures(redis, topic, group)
        self._burials = Burials(redis, topic, group)
        self.progress = {partition: Progress(start, start) for partition, start in starts.items()}
        self._consumer, self._publisher, self._rereader = consumer, publisher, rereader
        self._pool = pool

    def take(self, records: Sequence[Any]) -> list[RawEntry]:
        """Note that ``records`` were read. Returns them as entries.

        A batch in flight while partitions changed hands may begin beyond the first entry that isn't done. It
        is left out and read again.
        """
        fresh: dict[int, bool] = {}
        for record in records:
            if record.partition not in fresh:
                fresh[record.partition] = self._follows(record.partition, record.offset)
        taken = [record for record in records if fresh[record.partition]]
        for record in taken:
            progress = self.progress[record.partition]
            progress.open.add(record.offset)
            progress.next = record.offset + 1
        return [entry_of(record) for record in taken]

    def _follows(self, partition: int, offset: int) -> bool:
        progress = self.progress.get(partition)
        if progress is None:
            return False
        if not progress.sure:
            # Fetched only once: what is still missing was removed from the topic or isn't a record.
            progress.sure = True
            if offset != progress.next:
                self._consumer.seek(TopicPartition(self.stream, partition), progress.next)
                return False
        return True

    async def fetch(self, entry_ids: Sequence[str]) -> list[RawEntry]:
        return await self._rereader.fetch(entry_ids)

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """Mark entries as done, and commit the offsets below which nothing is open.

        A failed commit is retried later. Until then a crash brings back entries that the inbox skips.
        """
        for partition, offset in map(place_of, entry_ids):
            if partition in self.progress:
                self.progress[partition].open.discard(offset)
        await self.commit()

    async def commit(self) -> None:
        """Commit the offsets that have moved. Doesn't raise broker errors."""
        moved = {
            p: progress.low for p, progress in self.progress.items() if progress.low != progress.committed
        }
        if not moved:
            return
        offsets = {TopicPartition(self.stream, p): OffsetAndMetadata(low, "") for p, low in moved.items()}
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), COMMIT_SECONDS)
        except (KafkaError, TimeoutError) as error:
            log.warning("offsets not committed", stream=self.stream, error=repr(error))
            return
        for partition, low in moved.items():
            self.progress[partition].committed = low

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Write dead letters, then acknowledge. A crash between the two writes them again.

        The inbox first records that an entry failed permanently: it isn't handled when it is read again.
        """
        failed = [letter for letter in letters if letter.kind == "failed"]
        if failed:
            await self._record_failed(failed)
        new = await self._new(letters)
        records = [record_of_entry({**dead_fields(letter, self.stream, self.name)}) for letter in new]
        if records:
            await self._publisher.send(dead_stream(self.stream), records)
        with suppress(RedisError, OSError):
            pipeline = self._burials.redis.pipeline(transaction=True)
            self._burials.note(pipeline, new)
            await pipeline.execute()
        await self.acknowledge([letter.entry[0] for letter in letters])

    async def _new(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """The entries without a dead letter. While Redis is down this can't be known: returns all of them."""
        with suppress(RedisError, OSError):
            return await self._burials.new(letters)
        return letters

    @tried_again
    async def _record_failed(self, letters: Sequence[DeadLetter]) -> None:
        events = [decode_entry(self.stream, *letter.entry) for letter in letters]
        async with transaction(self._pool) as connection:
            await self.fence.hold(connection)
            await inbox.record_rejected(
                connection,
                self.name,
                [(event.key(), event) for event in events],
                [Rejection(FAILED, letter.reason) for letter in letters],
            )

    async def lag(self) -> int:
        """Number of records that aren't done, as far as the broker has reported.

        The last offsets may be marks of transactions, or records of aborted ones. The consumer's position is
        behind those, and ``next`` isn't. Records of an open transaction count: they hold up the partition.
        """
        total = 0
        for partition, progress in self.progress.items():
            place = TopicPartition(self.stream, partition)
            with suppress(KafkaError, TimeoutError):
                position = await asyncio.wait_for(self._consumer.position(place), POSITION_SECONDS)
                end = self._consumer.highwater(place) or 0
                total += max(0, end - max(progress.next, position)) + len(progress.open)
        return total
