"""What happens to the entries that a consumer has read, including when something fails.

A batch is one transaction. If it fails because a dependency is down, it waits and is retried, and no entry
counts a failure. If it fails for another reason, it is split by key until the failing entry is alone. That
entry is parked with its successors of the same key, and everything else commits. An entry whose handler fails
too often becomes a dead letter.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog
from prometheus_client import Counter, Histogram

from backbone.batch import BatchTransaction
from backbone.batch_spans import batch_span
from backbone.dead_letters import DeadLetter, Kind
from backbone.events import RawEntry
from backbone.handlers import FAILED, Rejection, Router
from backbone.leases import Fence, LeaseLost
from backbone.parking import Parking
from backbone.settings import BackboneSettings
from backbone.source import Source
from backbone.validation import Item, validate
from backbone.window import split
from common import backoff, supervision, telemetry
from common.errors import TransientError, is_outage, is_transient

log = structlog.get_logger()

T = TypeVar("T")

RETRY_PAGE = 16
"""Parked entries that are read again at once. Each of them is tried alone."""

STOP_SECONDS = 0.5
"""How long retries may take to stop."""

HANDLED = Counter("takaro_stream_entries_total", "Entries dealt with", ["stream", "group", "outcome"])
FAILURES = Counter("takaro_stream_handler_failures_total", "Handler failures", ["stream", "group"])
OUTAGES = Counter(
    "takaro_stream_outages_total", "Times that a consumer had to wait for a dependency", ["stream", "group"]
)
SECONDS = Histogram(
    "takaro_stream_batch_seconds",
    "Time from reading a batch to its acknowledgement",
    ["stream", "group"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class Processor:
    """Handles entries of one stream for one group, between :meth:`start` and :meth:`stop`.

    ``trouble`` is the outage it waits for, if any.
    """

    def __init__(
        self, source: Source, router: Router, batch: BatchTransaction, settings: BackboneSettings
    ) -> None:
        self.source, self._router, self._batch = source, router, batch
        self._first, self._longest = settings.retry_backoff_seconds, settings.retry_backoff_max_seconds
        self._max_failures = settings.max_handler_failures
        self._budget = settings.stream_batch_bytes
        self.parking = Parking(source.stream)
        self.in_flight: set[str] = set()
        self.lease: Fence | None = None
        self.trouble: str | None = None
        self._retries: asyncio.Task[None] | None = None
        self._labels = (source.stream, source.name)
        OUTAGES.labels(*self._labels)  # a series of 0 from the start: an alert on its growth needs one

    @property
    def retrying(self) -> bool:
        """Whether the retries of parked entries are running. If they ended by themselves, the consumer must
        start again."""
        return self._retries is not None and not self._retries.done()

    def start(self, lease: Fence) -> None:
        """Start to work under ``lease``, with nothing parked. Parked entries are retried until
        :meth:`stop`."""
        self.lease = lease
        self.parking.clear()
        self._retries = asyncio.create_task(self._retry_parked())

    async def stop(self) -> None:
        """Stop retrying."""
        self.trouble = None
        retries, self._retries = self._retries, None
        if retries is not None:
            await supervision.stop(retries, patience_seconds=STOP_SECONDS)

    def prepare(self, entries: Sequence[RawEntry]) -> list[Item]:
        """Validate entries that were just read. They are in flight until :meth:`handle` or
        :meth:`release`."""
        items = validate(self._router, self.source.stream, entries)
        self.in_flight.update(entry_id for entry_id, _ in entries)
        return items

    def release(self, items: Sequence[Item]) -> None:
        """Leave prepared entries pending: they are read again."""
        self.in_flight.difference_update(item.entry[0] for item in items)

    async def handle(self, items: Sequence[Item]) -> None:
        """Handle prepared entries in order. Each ends acknowledged, dead-lettered or parked.

        Large entries are split over several transactions, because a handler takes several times their bytes
        in memory. Raises :class:`LeaseLost` if another process has taken over.
        """
        try:
            while self.parking.full:
                self._check_lease()
                if not self.retrying:
                    raise TransientError("retries of parked entries have stopped")
                await asyncio.sleep(0.1)
            with SECONDS.labels(*self._labels).time():
                for part in split(items, self._budget):
                    await self._settle(self._pass_parked(part))
        finally:
            self.release(items)

    def _pass_parked(self, items: Sequence[Item]) -> list[Item]:
        """Park the entries whose key is already parked. Returns the others."""
        ready: list[Item] = []
        for item in items:
            if item.order_key in self.parking:
                self.parking.follow(item.order_key, item.entry[0])
            else:
                ready.append(item)
        return ready

    async def process(self, entries: Sequence[RawEntry]) -> None:
        """:meth:`prepare`, then :meth:`handle`."""
        await self.handle(self.prepare(entries))

    async def retry_due(self) -> bool:
        """Retry one parked key that is due. Returns whether there was one."""
        key = self.parking.due()
        if key is None:
            return False
        lot = self.parking.lot(key)
        # A failed entry is retried alone. Its successors are read once it is out of the way.
        head = list(lot.entry_ids)[: 1 if lot.attempts else RETRY_PAGE]
        entries = {e[0]: e for e in await self._patiently(lambda: self.source.fetch(head))}
        gone = [entry_id for entry_id in head if entry_id not in entries]
        await self._patiently(lambda: self.source.acknowledge(gone))
        for entry_id in head:
            item = None
            if entry_id in entries:
                [item] = validate(self._router, self.source.stream, [entries[entry_id]])
            if item is not None and not await self._attempt_alone(item, key):
                return True
            self.parking.settle(key, entry_id)
        return True

    async def _retry_parked(self) -> None:
        try:
            while True:
                if not await self.retry_due():
                    await asyncio.sleep(0.05)
        except LeaseLost:
            return
        except Exception as error:
            # The consumer starts again from what is pending.
            log.error("retries ended", stream=self.source.stream, exc_info=error)

    async def _settle(self, items: Sequence[Item]) -> None:
        if not items:
            return
        try:
            rejected = await self._apply(items)
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises
            await self._isolate(items, error)
            return
        await self._finish(items, rejected)

    async def _apply(self, items: Sequence[Item]) -> dict[int, Rejection]:
        async def attempt() -> dict[int, Rejection]:
            with batch_span(self.source, items) as span:
                rejected = await self._batch.apply(items, self.lease)
                span.finish(rejected)
                return rejected

        return await self._patiently(attempt)

    async def _isolate(self, items: Sequence[Item], error: Exception) -> None:
        """Halve by key until the failing entry is alone. Healthy keys cost about two transactions for each
        halving."""
        keys = list(dict.fromkeys(item.order_key for item in items))
        if len(keys) > 1:
            first = set(keys[: len(keys) // 2])
            await self._settle([item for item in items if item.order_key in first])
            await self._settle([item for item in items if item.order_key not in first])
            return
        if len(items) > 1:
            for i, item in enumerate(items):
                if not await self._attempt_alone(item, item.order_key):
                    for later in items[i + 1 :]:
                        self.parking.follow(later.order_key, later.entry[0])
                    return
            return
        await self._fail(items[0], items[0].order_key, error)

    async def _attempt_alone(self, item: Item, key: str) -> bool:
        """Whether the entry is done (handled or dead-lettered). If not, its key is parked."""
        try:
            rejected = await self._apply([item])
        except LeaseLost:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises
            return await self._fail(item, key, error)
        await self._finish([item], rejected)
        return True

    async def _fail(self, item: Item, key: str, error: Exception) -> bool:
        """A single entry failed: park its key, or write its dead letter after too many failures (returns
        true)."""
        entry_id = item.entry[0]
        failures = 0
        if not is_transient(error):
            FAILURES.labels(*self._labels).inc()
            failures = await self._patiently(lambda: self.source.failures.count(entry_id))
            log.error("handler failed", **self._about(item), failures=failures, exc_info=error)
            if failures >= self._max_failures:
                reason = f"{type(error).__name__}: {error}"
                letter = DeadLetter(item.entry, "failed", reason, failures)
                await self._patiently(lambda: self.source.bury([letter]))
                await self._patiently(lambda: self.source.failures.forget(entry_id))
                HANDLED.labels(*self._labels, "dead").inc()
                return True
        else:
            log.warning("entry held up", **self._about(item), error=repr(error))
        if key not in self.parking:
            self.parking.park(key, [entry_id], delay=0)
        lot = self.parking.lot(key)
        lot.attempts += 1
        self.parking.postpone(key, backoff.pause(lot.attempts, first=self._first, longest=self._longest))
        return False

    async def _finish(self, items: Sequence[Item], rejected: dict[int, Rejection]) -> None:
        """After the commit: write dead letters for rejected entries, then acknowledge the rest in one
        call."""
        letters = []
        for i, rejection in rejected.items():
            log.warning(
                "entry rejected", **self._about(items[i]), code=rejection.code, reason=rejection.reason
            )
            kind: Kind = "failed" if rejection.code == FAILED else "invalid"
            letters.append(DeadLetter(items[i].entry, kind, str(rejection)))
        done = [item.entry[0] for i, item in enumerate(items) if i not in rejected]
        if letters:
            await self._patiently(lambda: self.source.bury(letters))
        if done:
            await self._patiently(lambda: self.source.acknowledge(done))
        HANDLED.labels(*self._labels, "dead").inc(len(letters))
        HANDLED.labels(*self._labels, "handled").inc(len(done))

    async def _patiently(self, action: Callable[[], Awaitable[T]]) -> T:
        """Repeat ``action`` for as long as a dependency is down."""
        attempt = 0
        while True:
            self._check_lease()
            try:
                result = await action()
                self.trouble = None
                return result
            except Exception as error:
                if isinstance(error, LeaseLost) or not is_outage(error):
                    raise
                attempt += 1
                self.trouble = repr(error)
                OUTAGES.labels(*self._labels).inc()
                log.warning("waiting for a dependency", stream=self.source.stream, error=repr(error))
            await asyncio.sleep(backoff.pause(attempt, first=self._first, longest=min(2.0, self._longest)))

    def _check_lease(self) -> None:
        if self.lease is None or self.lease.lost.is_set():
            raise LeaseLost(f"the lease of {self.source.stream} is gone")

    def _about(self, item: Item) -> dict[str, str]:
        event = item.event
        trace = item.command.trace if item.command else event.trace if event else None
        return {
            "stream": self.source.stream,
            "entry_id": item.entry[0],
            "event_id": event.id if event else "",
            "event_type": event.type if event else "",
            **telemetry.log_fields(trace),
        }
