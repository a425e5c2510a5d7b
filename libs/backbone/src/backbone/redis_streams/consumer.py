"""The consumer of one stream for one group: a single active process.

Under the lease it creates the group, drains what any consumer left pending in id order, then reads on. A lost
connection may have lost a reply that the server counts as delivered, so pending entries are drained again
before the next read. A deleted group is recreated at 0; the inbox skips what was handled before.

The lease fences writes, not reads: a process that has lost it may receive entries before it knows. So before
each batch, the reader checks whether another consumer holds entries. Those were delivered earlier and come
first.
"""

import asyncio
import time
from contextlib import suppress
from uuid import uuid4

import structlog
from redis.exceptions import ResponseError

from backbone.events import RawEntry
from backbone.leases import Lease, LeaseKeeper, LeaseLost
from backbone.processor import OUTAGES, Processor
from backbone.reader import Reader, StreamReader
from backbone.redis_streams.group import Group
from backbone.redis_streams.handover import Handover
from backbone.settings import BackboneSettings
from backbone.window import Window
from common.errors import is_transient

log = structlog.get_logger()

STRAY_SECONDS = 2.0

TROUBLE_SECONDS = 10.0
"""How long a process on standby still reports why it had to stop. Another one may have taken over since."""


class StreamConsumer:
    """Reads ``group`` while it holds the lease; otherwise it is on standby."""

    def __init__(
        self, settings: BackboneSettings, group: Group, processor: Processor, keeper: LeaseKeeper
    ) -> None:
        self._settings, self._processor, self._keeper = settings, processor, keeper
        self._group = group
        self._consumer = ""
        self._disconnected = asyncio.Event()
        self._reader: Reader | None = None
        self._trouble: tuple[str, float] | None = None

    @property
    def status(self) -> str:
        """``active``, ``standby``, or ``starting`` (active, but the reader isn't running yet, or any more; or
        it isn't known yet which of the two it is)."""
        if self._keeper.lease is None:
            return "standby" if self._keeper.has_tried else "starting"
        return "active" if self._reader is not None and self._reader.is_reading else "starting"

    @property
    def trouble(self) -> str | None:
        """The outage it waits for, or why it was interrupted and hasn't resumed reading."""
        if self._trouble is None or self._processor.trouble is not None:
            return self._processor.trouble
        error, at = self._trouble
        stale = self._keeper.lease is None and time.monotonic() - at > TROUBLE_SECONDS
        return None if stale else error

    async def run(self) -> None:
        """Consume whenever this process holds the lease, until cancelled."""
        await self._keeper.run(self._lead)

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
                    OUTAGES.labels(self._group.stream, self._group.name).inc()
                    log.warning("stream interrupted", stream=self._group.stream, error=repr(error))
                await asyncio.sleep(0.2)
        finally:
            await self._processor.stop()

    async def _read_until_interrupted(self, lease: Lease) -> None:
        """Drain, then read until the connection, the group or the lease is lost.

        Each time uses a new consumer name, so that what the server still delivers to the previous reader
        belongs to another consumer.
        """
        self._consumer = f"{self._settings.instance_name}-{uuid4().hex[:8]}"
        if await self._group.ensure():
            self._processor.parking.clear()
            log.info("group created", stream=self._group.stream, group=self._group.name)
        await self._drain()
        self._disconnected.clear()
        handover = Handover(self._settings.stream_batch_size, self._settings.stream_batch_bytes)
        self._reader = reader = self._make_reader(lease, handover)
        handling = asyncio.create_task(self._handle(lease, handover))
        await reader.start()
        log.info("reading", stream=self._group.stream, group=self._group.name, consumer=self._consumer)
        self._trouble = None
        try:
            while (
                reader.is_reading
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
            self._discard(handover)  # the reader may wait for space: its stop would wait with it
            await reader.stop()
            self._discard(handover)
            await self._finish(handling)

    async def _drain(self) -> None:
        """Handle what was delivered to any consumer and never acknowledged, oldest first."""
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
        """Detect a lost group, and entries that were delivered to a process that no longer exists."""
        known = self._processor.in_flight | self._processor.parking.ids()
        idle = await self._group.list_idle(STRAY_SECONDS, len(known) + 1)
        strays = [entry_id for entry_id in idle if entry_id not in known]
        if strays:
            log.warning("strays found", stream=self._group.stream, count=len(strays))
            self._disconnected.set()

    async def _handle(self, lease: Lease, handover: Handover) -> None:
        """Handle one batch while FastStream reads and validates the next, until interrupted."""
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
        """Leave waiting entries pending."""
        self._processor.release(handover.take_now())

    async def _finish(self, handling: "asyncio.Task[None]") -> None:
        """Let the current batch commit, within half of the grace period."""
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

    def _make_reader(self, lease: Lease, handover: Handover) -> Reader:
        window = self._window()

        async def on_entries(entries: list[RawEntry]) -> None:
            if self._disconnected.is_set() or lease.lost.is_set():
                return  # older entries come first: this stays pending and is drained in its turn
            items = []
            try:
                size = window.saw(entries)
                items = self._processor.prepare(entries)
                await handover.put(items, size)
            except BaseException:
                self._processor.release(items)  # what stays pending is drained again
                raise

        return StreamReader(
            self._settings.event_bus_url,
            self._group.stream,
            group=self._group.name,
            consumer=self._consumer,
            window=window,
            on_entries=on_entries,
            on_interruption=self._disconnected.set,
            grace_seconds=self._settings.shutdown_grace_seconds / 2,
        )
