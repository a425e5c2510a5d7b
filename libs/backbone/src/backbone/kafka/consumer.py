"""The consumer of one topic for one group. Each assignment of partitions has its own processor.

The group's assignment replaces the lease that a Redis stream has. Entries that are parked, in flight or read
ahead belong to one assignment and end with it. The next holder begins at the committed offsets, and the inbox
skips what was handled before.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from redis.asyncio import Redis

from backbone.batch import BatchTransaction
from backbone.dead_letters import dead_stream
from backbone.handlers import Router
from backbone.kafka.address import KafkaAddress
from backbone.kafka.fencing import PartitionFence
from backbone.kafka.partitions import Partitions
from backbone.kafka.producer import KafkaPublisher
from backbone.kafka.reread import Rereader
from backbone.kafka.topics import ensure_topics
from backbone.lag import LAG, PENDING
from backbone.leases import LeaseLost
from backbone.names import partition_lease
from backbone.processor import OUTAGES, Processor
from backbone.reader import TopicReader
from backbone.settings import BackboneSettings
from common import backoff
from common.errors import is_transient
from common.postgres import Pool

log = structlog.get_logger()

SESSION_MILLISECONDS = 6_000
"""A dead or frozen process is replaced after this time, the minimum that brokers allow by default."""

HEARTBEAT_MILLISECONDS = 1_500
REBALANCE_MILLISECONDS = 15_000
POLL_MILLISECONDS = 50
MAX_POLL_MILLISECONDS = 300_000
"""A process whose batch takes longer (while a dependency is down) loses its partitions."""

REVOKE_SECONDS = 3.0
"""How long a rebalance waits for a batch in flight. What isn't committed by then goes to the next holder."""

TEND_SECONDS = 1.0
PROBE_SECONDS = 2.0


@dataclass(slots=True)
class Assignment:
    """Assigned partitions, from the time the group assigns them until it may have revoked them."""

    partitions: Partitions
    processor: Processor
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def end(self) -> None:
        """Stop retries, let a batch in flight finish if it is quick, and start nothing else."""
        await self.processor.stop()
        try:
            async with asyncio.timeout(REVOKE_SECONDS), self.busy:
                pass
        except TimeoutError:
            log.warning("batch abandoned: its partitions were revoked", stream=self.partitions.stream)
        self.partitions.fence.lost.set()
        self.processor.parking.clear()


class TopicConsumer:
    """Reads ``topic`` as a member of the group; a member without partitions stands by."""

    def __init__(
        self,
        settings: BackboneSettings,
        address: KafkaAddress,
        topic: str,
        router: Router,
        facts_stream: str,
        *,
        pool: Pool,
        redis: Redis,
        publisher: KafkaPublisher,
    ) -> None:
        self._settings, self._address, self._topic, self._router = settings, address, topic, router
        self._facts_stream, self._pool, self._redis, self._publisher = facts_stream, pool, redis, publisher
        self._rereader = Rereader(address, topic)
        self._reader: TopicReader | None = None
        self._interrupted = asyncio.Event()
        self._assignment: asyncio.Task[Assignment | None] | None = None
        self._reachable = False
        self._trouble: str | None = None

    @property
    def status(self) -> str:
        """``active``, ``standby`` (in the group, without partitions), or ``starting`` (not reading)."""
        if self._reader is None or not self._reader.is_reading or not self._reachable:
            return "starting"
        if self._assignment is None or not self._assignment.done() or self._assignment.cancelled():
            return "starting"
        return "active" if self._in_force() else "standby"

    @property
    def trouble(self) -> str | None:
        """The outage it waits for, or why it was interrupted and hasn't resumed reading."""
        assignment = self._in_force()
        return (assignment.processor.trouble if assignment else None) or self._trouble

    async def run(self) -> None:
        """Consume until cancelled."""
        failures = 0
        try:
            while True:
                try:
                    await self._read_until_interrupted()
                    failures = 0
                except (KafkaError, OSError) as error:
                    failures += 1
                    self._trouble = repr(error)
                    OUTAGES.labels(self._topic, self._settings.service).inc()
                    log.warning("topic interrupted", stream=self._topic, error=repr(error))
                await asyncio.sleep(backoff.pause(failures + 1, first=0.2, longest=5))
        finally:
            await self._rereader.stop()

    async def _read_until_interrupted(self) -> None:
        await ensure_topics(self._address, [self._topic, dead_stream(self._topic), self._facts_stream])
        self._interrupted.clear()
        self._reader = reader = self._make_reader()
        try:
            await reader.start()
            log.info("reading", stream=self._topic, group=self._settings.service)
            while reader.is_reading and not self._interrupted.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._interrupted.wait(), TEND_SECONDS)
                await self._tend(reader.consumer)
        finally:
            self._reader, self._reachable = None, False
            await self.end_assignment()
            await reader.stop()

    def _make_reader(self) -> TopicReader:
        settings = self._settings
        return TopicReader(
            self._address.servers,
            self._address.security,
            self._topic,
            group=settings.service,
            client_id=settings.instance_name,
            listener=_Listener(self),
            on_records=self._on_batch,
            grace_seconds=settings.shutdown_grace_seconds / 2,
            settings={
                "max_records": settings.stream_batch_size,
                "batch_timeout_ms": POLL_MILLISECONDS,
                "session_timeout_ms": SESSION_MILLISECONDS,
                "heartbeat_interval_ms": HEARTBEAT_MILLISECONDS,
                "rebalance_timeout_ms": REBALANCE_MILLISECONDS,
                "max_poll_interval_ms": MAX_POLL_MILLISECONDS,
            },
        )

    async def _on_batch(self, records: tuple[Any, ...]) -> None:
        assignment = await self._current()
        if assignment is None:
            return  # read before the group revoked the partitions: their new holder reads them again
        try:
            async with assignment.busy:
                entries = assignment.partitions.take(records)
                if entries:
                    await assignment.processor.process(entries)
        except LeaseLost as error:
            if self._in_force() is assignment:
                log.warning("partitions lost", stream=self._topic, error=repr(error))
                self._interrupted.set()
        except Exception as error:
            self._trouble = repr(error)
            log.error("batch abandoned", stream=self._topic, exc_info=error)
            self._interrupted.set()  # read again from the committed offsets

    async def _current(self) -> Assignment | None:
        """The current assignment, once it is prepared."""
        if self._assignment is None:
            return None
        await asyncio.wait([self._assignment])
        return self._in_force()

    def _in_force(self) -> Assignment | None:
        task = self._assignment
        return None if task is None or not task.done() or task.cancelled() else task.result()

    def begin_assignment(self, partitions: set[Any]) -> None:
        """Prepare in the background: the group must not wait for a database."""
        mine = sorted(p.partition for p in partitions if p.topic == self._topic)
        self._assignment = asyncio.create_task(self._prepare(mine))

    async def end_assignment(self) -> None:
        """Release the partitions before the group reassigns them."""
        task, self._assignment = self._assignment, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (assignment := task.result()) is not None:
            await assignment.end()

    async def _prepare(self, mine: list[int]) -> Assignment | None:
        attempt = 0
        while True:
            try:
                assignment = await self._take_over(mine)
                self._trouble = None
                return assignment
            except Exception as error:
                self._trouble = repr(error)
                if not is_transient(error) and not isinstance(error, KafkaError):
                    log.error("assignment failed", stream=self._topic, exc_info=error)
                attempt += 1
                OUTAGES.labels(self._topic, self._settings.service).inc()
                log.warning("partitions wait", stream=self._topic, error=repr(error))
            await asyncio.sleep(backoff.pause(attempt, first=0.1, longest=2))

    async def _take_over(self, mine: list[int]) -> Assignment | None:
        consumer = self._reader.consumer if self._reader is not None else None
        if consumer is None:
            raise KafkaError("the reader is starting")
        self._reachable = True
        if not mine:
            return None
        settings = self._settings
        names = {p: partition_lease(self._topic, settings.service, p) for p in mine}
        async with self._pool.acquire() as connection:
            fence = await PartitionFence.take(connection, list(names.values()), settings.instance_name)
        places = {p: TopicPartition(self._topic, p) for p in mine}
        committed = {p: await consumer.committed(place) for p, place in places.items()}
        begin = await consumer.beginning_offsets([places[p] for p in mine if committed[p] is None])
        starts = {p: begin[places[p]] if offset is None else offset for p, offset in committed.items()}
        partitions = Partitions(
            self._topic,
            settings.service,
            starts,
            fence,
            consumer=consumer,
            publisher=self._publisher,
            rereader=self._rereader,
            redis=self._redis,
            pool=self._pool,
        )
        batch = BatchTransaction(self._pool, self._router, self._facts_stream)
        processor = Processor(partitions, self._router, batch, settings)
        processor.start(fence)
        log.info("partitions taken", stream=self._topic, group=settings.service, starts=starts)
        return Assignment(partitions, processor)

    async def _tend(self, consumer: Any) -> None:
        """Retry failed commits, measure, and check that the broker answers."""
        assignment = self._in_force()
        if assignment is None:
            return
        partitions = assignment.partitions
        if partitions.fence.lost.is_set() or not assignment.processor.retrying:
            self._interrupted.set()
            return
        await partitions.commit()
        labels = (self._topic, self._settings.service)
        LAG.labels(*labels).set(await partitions.lag())
        PENDING.labels(*labels).set(sum(len(progress.open) for progress in partitions.progress.values()))
        places = [TopicPartition(self._topic, p) for p in partitions.progress]
        try:
            await asyncio.wait_for(consumer.end_offsets(places), PROBE_SECONDS)
            self._reachable = True
        except (KafkaError, TimeoutError) as error:
            self._reachable = False
            log.warning("the broker doesn't answer", stream=self._topic, error=repr(error))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, consumer: TopicConsumer) -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        await self._consumer.end_assignment()

    async def on_partitions_assigned(self, assigned: set[Any]) -> None:
        self._consumer.begin_assignment(assigned)
