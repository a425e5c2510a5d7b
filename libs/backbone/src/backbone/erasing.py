"""Carries out a service's part of the erasures that were requested, in bounded transactions: first rows, then
the entries of its streams. A row that appears meanwhile is erased too, and the streams are swept again."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from prometheus_client import Counter, Gauge

from backbone import erased_ids, erasures, idempotency, outbox
from backbone.erasures import Erasure
from backbone.leases import Fence, Lease, LeaseKeeper, LeaseLost
from backbone.names import erasing_lease
from backbone.sweeping import Sweep
from common.postgres import Connection, Pool, transaction, tried_again
from contracts import Contract

log = structlog.get_logger()

FAILURES = Counter("takaro_erasure_failures_total", "Times that an erasure was interrupted", ["service"])
OPEN = Gauge("takaro_erasures_open", "Erasures that fail, or wait for the relay or a job", ["service"])

POLL_SECONDS = 1.0
PAUSE_SECONDS = 0.02
"""Between two transactions, so that an erasure leaves the database to others."""
WAIT_SECONDS = 0.2
"""Before erasures are looked at again that wait for the relay, or for a job to end."""
SUBJECTS_AT_ONCE = 200
"""In one fact."""


@dataclass(slots=True, frozen=True)
class Erased:
    """What a transaction erased: rows by table, entries by stream, and the subjects of facts that no longer
    exist."""

    counts: Mapping[str, int]
    subjects: Sequence[str] = field(default=())
    streams: Mapping[str, int] = field(default_factory=dict)


Outcome: TypeAlias = Literal["worked", "waits", "none"]


Part: TypeAlias = Callable[[Connection, str], Awaitable[Erased]]
"""Erases a bounded number of a user's rows in the caller's transaction; no counts when none are left."""

MakeFact: TypeAlias = Callable[..., Contract]
"""A service's contract ``UserErased``. With ``finished`` everything was erased, and the counts are all."""


@dataclass(slots=True, frozen=True)
class ServiceErasing:
    """How a service erases a user: its parts, in order, and its facts."""

    service: str
    parts: Sequence[Part]
    stream: str
    make_fact: MakeFact

    async def run(self, pool: Pool, instance: str, ttl_seconds: float, sweep: Sweep) -> None:
        """Carry out erasures, in one process at a time, until cancelled."""

        FAILURES.labels(self.service)  # a series of 0 from the start: an alert on its growth needs one

        async def work(lease: Lease) -> None:
            with suppress_instrumentation():
                while True:
                    waiting = await self.carry_out(pool, lease, sweep)
                    await asyncio.sleep(WAIT_SECONDS if waiting else POLL_SECONDS)

        await LeaseKeeper(pool, erasing_lease(self.service), instance, ttl_seconds).run(work)

    async def carry_out(self, pool: Pool, fence: Fence, sweep: Sweep | None = None) -> int:
        """Carry out all erasures that are requested; without a ``sweep`` in Postgres alone. One that fails is
        tried again in the next round, and doesn't hold up the others. Returns how many wait for something."""
        place = waiting = 0
        while True:
            try:
                outcome = await self.step(pool, fence, place, sweep)
            except LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a part raises
                FAILURES.labels(self.service).inc()
                log.warning("erasure interrupted", service=self.service, error=repr(error))
                place += 1
                continue
            if outcome == "none":
                OPEN.labels(self.service).set(place)
                return waiting
            if outcome == "waits":
                place, waiting = place + 1, waiting + 1
            await asyncio.sleep(PAUSE_SECONDS)

    @tried_again
    async def step(self, pool: Pool, fence: Fence, place: int, sweep: Sweep | None = None) -> Outcome:
        """Erase a bounded number of rows or entries, or finish, in one transaction with the facts about it.
        Returns ``none`` if there was no erasure at this place."""
        async with transaction(pool) as connection:
            await fence.hold(connection)
            erasure = await erasures.lock_next(connection, self.service, place)
            if erasure is None:
                return "none"
            erased = await self._erase(connection, erasure)
            if erased is not None:
                await erased_ids.insert_subjects(connection, erasure.id, erased.subjects)
                await self._record(connection, erasure, erased, None)
                return "worked"
            if sweep is not None:
                swept = await sweep.step(connection, erasure)
                if swept.waits:
                    return "waits"
                if swept.place.stage != "done":
                    part = Erased(swept.counts, swept.subjects, swept.streams)
                    await self._record(connection, erasure, part, swept.place.stored())
                    return "worked"
            total = await self._finish(connection, erasure)
        counts, streams = dict(total.counts), dict(total.streams)
        log.info("user erased", service=self.service, erasure=str(erasure.id), counts=counts, streams=streams)
        return "worked"

    async def _record(
        self, connection: Connection, erasure: Erasure, erased: Erased, place: Mapping[str, object] | None
    ) -> None:
        """Count, and tell of rows and subjects. Entries are told of at the end: there would be more facts
        about them than entries."""
        some = range(0, len(erased.subjects), SUBJECTS_AT_ONCE)
        parts = [Erased({}, erased.subjects[i : i + SUBJECTS_AT_ONCE]) for i in some]
        if erased.counts:
            parts[:1] = [Erased(erased.counts, parts[0].subjects if parts else ())]
        last = await erasures.record(
            connection,
            erasure.id,
            self.service,
            facts=len(parts),
            sweep=place,
            counts=erased.counts,
            streams=erased.streams,
        )
        first_sequence = last - len(parts) + 1
        facts = [
            self._fact(erasure, part, first_sequence + i, finished=False) for i, part in enumerate(parts)
        ]
        await outbox.append(connection, facts)

    async def _finish(self, connection: Connection, erasure: Erasure) -> Erased:
        sequence, counts, streams = await erasures.finish(connection, erasure.id, self.service)
        total = Erased(counts, (), streams)
        await outbox.append(connection, [self._fact(erasure, total, sequence, finished=True)])
        return total

    def _fact(self, erasure: Erasure, erased: Erased, sequence: int, *, finished: bool) -> outbox.Fact:
        fact = self.make_fact(
            erasure_id=erasure.id,
            user_id=erasure.user_id,
            subjects=list(erased.subjects),
            counts=dict(erased.counts),
            finished=finished,
            streams=dict(erased.streams),
        )
        return outbox.Fact(self.stream, str(erasure.id), sequence, fact)

    async def _erase(self, connection: Connection, erasure: Erasure) -> Erased | None:
        for part in self.parts:
            erased = await part(connection, erasure.user_id)
            if erased.counts:
                return erased
        return None


async def erase_answers(connection: Connection, user_id: str, *, service: str) -> Erased:
    """Delete some of the answers that a service keeps for the user's ``Idempotency-Key``."""
    answers = await idempotency.delete_of_user(connection, service, user_id)
    return Erased({"idempotency_keys": answers} if answers else {})
