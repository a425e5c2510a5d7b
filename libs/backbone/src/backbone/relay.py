"""The relay: publishes what the outbox holds, at least once, in order for each subject.

It works under a lease, in one fenced transaction for each batch: read in order of position, publish in one
call, delete what was published. Committed rows of a subject are always a prefix of its sequence (see outbox),
so a batch never overtakes a predecessor. There is no "last id" that could skip rows, since transactions
commit out of order.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from prometheus_client import Counter, Gauge

from backbone.events import encode_entry
from backbone.leases import FENCE, Lease, LeaseKeeper
from backbone.names import OUTBOX_CHANNEL
from backbone.publishing import Publisher
from common import backoff, telemetry
from common.errors import is_transient
from common.notifications import Notifications
from common.postgres import Connection, Pool, transaction
from common.trace_context import TraceContext, below, context_of

log = structlog.get_logger()

PUBLISHED = Counter("takaro_outbox_published_total", "Facts published", ["stream"])
OUTAGES = Counter(
    "takaro_outbox_outages_total", "Times that the relay had to wait for a dependency", ["stream"]
)
WAITING = Gauge("takaro_outbox_waiting", "Facts committed and not yet published", ["stream"])

LIST_WAITING = f"""
WITH fence AS MATERIALIZED ({FENCE}), page AS (
    SELECT *, sum(octet_length(data)) OVER (ORDER BY position) AS bytes
    FROM outbox WHERE stream = $3 ORDER BY position LIMIT $4
)
SELECT position, event_id::text AS event_id, type, source, subject, sequence, time,
       traceparent, tracestate, baggage, data, bytes,
       (SELECT set_config('synchronous_commit', 'off', true))
FROM fence LEFT JOIN page ON bytes - octet_length(data) < $5
ORDER BY position
"""  # noqa: S608 -- only constants
"""Without a row, the lease is lost; with one of NULLs, nothing waits. A page ends with the row that reaches
its bytes; ``bytes`` is the running total including the row.

The transaction that lists also deletes. If a crash of Postgres loses it, the facts are published again. Only
at-least-once is promised, so the commit doesn't wait for the disk.
"""
DELETE_PUBLISHED = "DELETE FROM outbox WHERE stream = $1 AND position = ANY($2::bigint[])"
COUNT_WAITING = "SELECT count(*) FROM outbox WHERE stream = $1"

BATCH = 500
POLL_SECONDS = 1.0
BUSY_SECONDS, GATHER_SECONDS = 0.01, 0.006
"""A fact that follows another within the first waits for the second, so that facts are published together: a
publication costs five round trips."""
"""NOTIFY announces facts; the poll finds those whose notification was lost."""


class Relay:
    """Publishes the facts of one stream while it holds the lease ``relay:<stream>``."""

    def __init__(
        self,
        pool: Pool,
        publisher: Publisher,
        notifications: Notifications,
        keeper: LeaseKeeper,
        stream: str,
        page_bytes: int,
    ) -> None:
        self._pool, self._publisher, self._notifications = pool, publisher, notifications
        self._keeper, self._stream, self._page_bytes = keeper, stream, page_bytes
        self.published = 0
        self.trouble: str | None = None
        """Why the last attempt to publish failed, until one succeeds."""
        self._full = False
        OUTAGES.labels(stream)  # a series of 0 from the start

    @property
    def status(self) -> str:
        """``active`` or ``standby``."""
        return "standby" if self._keeper.lease is None else "active"

    async def run(self) -> None:
        """Publish whenever this process holds the lease, until cancelled."""
        await self._keeper.run(self._lead)

    async def _lead(self, lease: Lease) -> None:
        try:
            await self._publish_until_lost(lease)
        finally:
            self.trouble = None  # on standby it waits for nothing

    async def _publish_until_lost(self, lease: Lease) -> None:
        failures, self.trouble = 0, None
        async with self._notifications.subscribe(OUTBOX_CHANNEL, self._stream) as notified:
            while True:
                try:
                    await self.publish_batch(lease)
                except Exception as error:
                    if not is_transient(error):
                        raise
                    failures += 1
                    self.trouble = repr(error)
                    OUTAGES.labels(self._stream).inc()
                    log.warning("facts wait", stream=self._stream, error=repr(error))
                    await asyncio.sleep(backoff.pause(failures, first=0.1, longest=2))
                    continue
                failures, self.trouble = 0, None
                if self._full:
                    continue
                idle_since = time.monotonic()
                await notified.wait(POLL_SECONDS)
                if time.monotonic() - idle_since < BUSY_SECONDS:
                    await asyncio.sleep(GATHER_SECONDS)

    async def publish_batch(self, lease: Lease) -> int:
        """Publish up to :data:`BATCH` facts, of about ``page_bytes`` together. Returns their number.

        Raises the error of the bus rather than that of the rollback. While a bus doesn't answer, Postgres
        ends the idle transaction, and its lost connection would be blamed.
        """
        refusal: Exception | None = None
        try:
            with suppress_instrumentation():
                async with transaction(self._pool) as connection:
                    rows = await self._list_waiting(connection, lease)
                    if rows:
                        try:
                            await self._publish(rows)
                        except Exception as error:
                            refusal = error
                            raise
                        await connection.execute(
                            DELETE_PUBLISHED, self._stream, [row["position"] for row in rows]
                        )
        except Exception:
            if refusal is not None:
                raise refusal  # noqa: B904 (its context is the rollback's)
            raise
        PUBLISHED.labels(self._stream).inc(len(rows))
        self.published += len(rows)
        self._full = len(rows) == BATCH or (bool(rows) and rows[-1]["bytes"] >= self._page_bytes)
        return len(rows)

    async def _list_waiting(self, connection: Connection, lease: Lease) -> Sequence[asyncpg.Record]:
        rows = await connection.fetch(
            LIST_WAITING, lease.name, lease.epoch, self._stream, BATCH, self._page_bytes
        )
        if not rows:
            raise lease.lose()
        return [] if rows[0]["position"] is None else rows

    async def _publish(self, rows: Sequence[asyncpg.Record]) -> None:
        with self._send_spans(rows) as spans:
            entries = []
            for i, row in enumerate(rows):
                trace = _trace_of(row)
                if (span := spans.get(i)) is not None:
                    trace = below(trace, span.get_span_context())
                fields = encode_entry(
                    id=row["event_id"],
                    source=row["source"],
                    type=row["type"],
                    subject=row["subject"],
                    time=row["time"],
                    sequence=row["sequence"],
                    trace=trace,
                    data=row["data"],
                )
                entries.append(fields)
            entry_ids = await self._publisher.publish(self._stream, entries)
            for i, span in spans.items():
                span.set_attribute("messaging.message.id", entry_ids[i])

    @contextmanager
    def _send_spans(self, rows: Sequence[asyncpg.Record]) -> Iterator[Mapping[int, Span]]:
        """A send span in each fact's own trace, by position; the fact carries its context. None for a trace
        that isn't sampled, and none at all if nothing is recorded."""
        if not telemetry.recording():
            yield {}
            return
        common = {
            "messaging.system": self._publisher.system,
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": self._stream,
        }
        traces = [_trace_of(row) for row in rows]
        spans = {
            i: telemetry.tracer().start_span(
                f"send {self._stream}",
                context=context_of(traces[i]),
                kind=SpanKind.PRODUCER,
                attributes={
                    **common,
                    "cloudevents.event_id": row["event_id"],
                    "cloudevents.event_type": row["type"],
                    "cloudevents.event_source": row["source"],
                },
            )
            for i, row in enumerate(rows)
            if (trace := traces[i]) is None or trace.is_sampled
        }
        try:
            yield spans
        except Exception as error:
            for span in spans.values():
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR, repr(error)))
            raise
        finally:
            for span in spans.values():
                span.end()


def _trace_of(row: asyncpg.Record) -> TraceContext | None:
    return TraceContext.of(row["traceparent"], row["tracestate"], row["baggage"])


async def count_waiting(connection: Connection, stream: str) -> int:
    """Facts of ``stream`` that are committed and not yet published."""
    count: int = await connection.fetchval(COUNT_WAITING, stream)
    WAITING.labels(stream).set(count)
    return count
