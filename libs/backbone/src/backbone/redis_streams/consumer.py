"""The consumer of one stream for one group: a single active process, FastStream as its reader.

Under the lease: make the group, drain what any consumer has left pending, in id order, then read on. A lost
connection may have lost a reply that the server counts as delivered, so it is drained for before the next
read; a lost group is made again at 0, and the inbox knows what comes twice.

The lease fences what is written, not what is read: a process that has lost it may be handed entries before it
knows. So before a batch is handled, its reader asks whether another consumer holds entries: those were handed
out earlier, and come first.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import structlog
from faststream import AckPolicy
from faststream.redis import RedisBroker, StreamSub
from faststream.redis.message import FAKE_CONSUMER, RedisBatchStreamMessage
from faststream.redis.subscriber.usecases import LogicSubscriber
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from backbone.events import RawEntry
from backbone.leases import Lease, LeaseKeeper, LeaseLost
from backbone.processor import Processor
from backbone.redis_streams.group import Group
from backbone.redis_streams.handover import Handover
from backbone.settings import BackboneSettings
from backbone.window import Window
from common.errors import is_outage, is_transient
from common.redis_clients import connection_of

log = structlog.get_logger()

BLOCK_MILLISECONDS = 1_000
"""How long one read waits: below the socket timeout of 5 s, and below the lease's time to live."""

STRAY_SECONDS = 2.0

TROUBLE_SECONDS = 10.0
"""How long a process that stands by still tells why it had to give up: another one may have got on since."""


class StreamConsumer:
    """Reads ``group`` while it holds the lease; stands by otherwise."""

    def __init__(
        self, settings: BackboneSettings, group: Group, processor: Processor, keeper: LeaseKeeper
    ) -> None:
        self._settings, self._processor, self._keeper = settings, processor, keeper
        self._group = group
        self._consumer = ""
        self._disconnected = asyncio.Event()
        self._reader: LogicSubscriber | None = None
        self._broker = self._make_broker()
        self._trouble: tuple[str, float] | None = None

    @property
    def status(self) -> str:
        """``active``, ``standby``, or ``starting``: active, with the reader not running yet (or no more)."""
        if self._keeper.lease is None:
            return "standby"
        return "active" if self._reader is not None and _is_reading(self._reader) else "starting"

    @property
    def trouble(self) -> str | None:
        """The outage that it waits for, or why it was interrupted and has not begun to read again since."""
        if self._trouble is None or self._processor.trouble is not None:
            return self._processor.trouble
        error, at = self._trouble
        stale = self._keeper.lease is None and time.monotonic() - at > TROUBLE_SECONDS
        return None if stale else error

    async def run(self) -> None:
        """Consume whenever the lease is ours; for ever, until cancelled."""
        try:
            await self._keeper.run(self._lead)
        finally:
            await self._broker.stop()

    async def _lead(self, lease: Lease) -> None:
        try:
            while True:
                if not self._processor.retrying:
                    self._processor.start(lease)
                try:
                    await self._read_until_interrupted(lease)
                except (LeaseLost, asyncio.CancelledError):
                    raise
                except Exception as error:
                    self._trouble = repr(error), time.monotonic()
                    if not is_transient(error) and not isinstance(error, ResponseError):
                        raise
                    log.warning("stream interrupted", stream=self._group.stream, error=repr(error))
                await asyncio.sleep(0.2)
        finally:
            await self._processor.stop()

    async def _read_until_interrupted(self, lease: Lease) -> None:
        """Drain, then read until the connection, the group or the lease is lost.

        Under a new name each time: what the server still hands to the reader before is another consumer's.
        """
        self._consumer = f"{self._settings.instance_name}-{uuid4().hex[:8]}"
        if await self._group.ensure():
            self._processor.parking.clear()
        await self._drain()
        self._disconnected.clear()
        handover = Handover(self._settings.stream_batch_size, self._settings.stream_batch_bytes)
        self._reader = reader = self._subscribe(lease, handover)
        handling = asyncio.create_task(self._handle(lease, handover))
        await self._broker.connect()
        await reader.start()
        log.info("reading", stream=self._group.stream, group=self._group.name, consumer=self._consumer)
        self._trouble = None
        try:
            while (
                _is_reading(reader)
                and self._processor.retrying
                and not handling.done()
                and not lease.lost.is_set()
            ):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._disconnected.wait(), 0.5)
                    return
                await self._tend()
        finally:
            self._reader = None
            self._disconnected.set()
            self._discard(handover)  # the reader may wait for room: its stop would wait with it
            await reader.stop()
            self._broker.subscribers.clear()
            self._discard(handover)
            await self._finish(handling)

    async def _drain(self) -> None:
        """Handle what was delivered to anyone and never acknowledged, oldest first."""
        after, window = "-", self._window()
        while pending := await self._group.list_pending(after, window.count):
            after = pending[-1][0]
            entries = await self._group.claim(self._consumer, [entry_id for entry_id, _ in pending])
            window.saw(entries)
            parked = self._processor.parking.ids()
            left = [entry for entry in entries if entry[0] not in parked]
            log.info("drained", stream=self._group.stream, group=self._group.name, count=len(left))
            await self._processor.process(left)

    async def _tend(self) -> None:
        """Notice a lost group, and entries that were delivered to a process that is gone."""
        known = self._processor.in_flight | self._processor.parking.ids()
        idle = await self._group.list_idle(STRAY_SECONDS, len(known) + 1)
        strays = [entry_id for entry_id in idle if entry_id not in known]
        if strays:
            log.warning("strays found", stream=self._group.stream, count=len(strays))
            self._disconnected.set()

    async def _handle(self, lease: Lease, handover: Handover) -> None:
        """Handle one batch while FastStream reads and validates the next; until interrupted."""
        while not self._disconnected.is_set():
            items = await handover.take()
            try:
                if self._disconnected.is_set():
                    self._processor.release(items)
                elif await self._group.is_held_by_others(self._consumer):
                    log.warning("others hold entries", stream=self._group.stream, group=self._group.name)
                    self._processor.release(items)
                    self._disconnected.set()
                else:
                    await self._processor.handle(items)
            except LeaseLost:
                lease.lost.set()
                self._disconnected.set()
            except Exception as error:
                self._trouble = repr(error), time.monotonic()
                log.error("batch abandoned", stream=self._group.stream, exc_info=error)
                self._processor.release(items)
                self._disconnected.set()  # what it left pending is drained again

    def _discard(self, handover: Handover) -> None:
        """What waits to be handled stays pending."""
        self._processor.release(handover.take_now())

    async def _finish(self, handling: "asyncio.Task[None]") -> None:
        """Let the batch in hand commit, within half of the grace period."""
        if not handling.done() and not self._processor.in_flight:
            handling.cancel()
        try:
            await asyncio.wait([handling], timeout=self._settings.shutdown_grace_seconds / 2)
        finally:
            handling.cancel()
            [ended] = await asyncio.gather(handling, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("handling ended", stream=self._group.stream, exc_info=ended)

    def _window(self) -> Window:
        return Window(self._settings.stream_batch_size, self._settings.stream_batch_bytes)

    def _subscribe(self, lease: Lease, handover: Handover) -> LogicSubscriber:
        window = self._window()
        subscriber = self._broker.subscriber(
            stream=_PacedStream(
                window,
                self._group.stream,
                group=self._group.name,
                consumer=self._consumer,
                batch=True,
                polling_interval=BLOCK_MILLISECONDS,
            ),
            parser=_parse,
            decoder=_decode,
            ack_policy=AckPolicy.MANUAL,
        )

        async def on_batch(entries: list[RawEntry]) -> None:
            if self._disconnected.is_set() or lease.lost.is_set():
                return  # something older comes first: this stays pending, and is drained in its turn
            items = []
            try:
                size = window.saw(entries)
                items = self._processor.prepare(entries)
                await handover.put(items, size)
            except BaseException:
                # FastStream passes over errors: what stays pending is drained again.
                self._processor.release(items)
                self._disconnected.set()
                raise

        subscriber(on_batch)
        return subscriber

    def _make_broker(self) -> RedisBroker:
        url = self._settings.event_bus_url
        return RedisBroker(
            url,
            logger=logging.getLogger("faststream"),
            log_level=logging.DEBUG,
            apply_types=False,
            graceful_timeout=self._settings.shutdown_grace_seconds / 2,
            retry=Retry(NoBackoff(), 0),
            connection_class=_watched(connection_of(url), self._disconnected.set),  # type: ignore[arg-type]
        )


class _PacedStream(StreamSub):
    """A stream of which each read takes as much as the window says by then."""

    def __init__(self, window: Window, *args: Any, **kwargs: Any) -> None:
        self.window = window
        super().__init__(*args, **kwargs)

    @property
    def max_records(self) -> int:
        """FastStream asks before each read."""
        return self.window.count

    @max_records.setter
    def max_records(self, _: int | None) -> None:
        """FastStream's own, fixed, is of no use here."""


def _is_reading(reader: LogicSubscriber) -> bool:
    return reader.running and not all(task.done() for task in reader.tasks)


def _watched(base: type[AbstractConnection], on_interruption: Callable[[], None]) -> type[AbstractConnection]:
    """A connection that tells when it is lost; never retried, so that no lost reply goes unnoticed.

    And when Redis refuses: FastStream reads on at once then, as fast as it can, for as long as it is refused.
    """

    class Watched(base):  # type: ignore[valid-type,misc]
        async def disconnect(self, *args: object, **kwargs: object) -> None:
            on_interruption()
            await super().disconnect(*args, **kwargs)

        async def read_response(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return await super().read_response(*args, **kwargs)
            except ResponseError as error:
                if is_outage(error):
                    on_interruption()
                raise

    return Watched


async def _parse(message: Any) -> RedisBatchStreamMessage:
    """FastStream parser: entries stay as they are, so that one that is malformed can't fail its batch."""
    return RedisBatchStreamMessage(raw_message=message, body=b"", consumer=FAKE_CONSUMER, group=None)


async def _decode(message: RedisBatchStreamMessage) -> list[tuple[str, dict[bytes, bytes]]]:
    raw = message.raw_message
    return [
        (entry_id.decode(), fields) for entry_id, fields in zip(raw["message_ids"], raw["data"], strict=True)
    ]
