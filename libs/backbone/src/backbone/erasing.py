"""Carries out a service's part of the erasures that were requested, in bounded transactions."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone import erasures, idempotency, outbox
from backbone.leases import Fence, Lease, LeaseKeeper, LeaseLost
from backbone.names import erasing_lease
from common.postgres import Connection, Pool, transaction, tried_again
from contracts import Contract

log = structlog.get_logger()

POLL_SECONDS = 1.0
PAUSE_SECONDS = 0.02
"""Between two transactions, so that an erasure leaves the database to others."""


@dataclass(slots=True, frozen=True)
class Erased:
    """What a transaction erased: rows by table, and the subjects of facts that no longer exist."""

    counts: Mapping[str, int]
    subjects: Sequence[str] = field(default=())


Part: TypeAlias = Callable[[Connection, str], Awaitable[Erased]]
"""Erases a bounded number of a user's rows in the caller's transaction; no counts when none are left."""

MakeFact: TypeAlias = Callable[[UUID, str, Erased, bool], Contract]
"""The fact that something was erased. With true: everything was, and the counts are those of all."""


@dataclass(slots=True, frozen=True)
class ServiceErasing:
    """How a service erases a user: its parts, in order, and its facts."""

    service: str
    parts: Sequence[Part]
    stream: str
    make_fact: MakeFact

    async def run(self, pool: Pool, instance: str, ttl_seconds: float) -> None:
        """Carry out erasures, in one process at a time, until cancelled."""

        async def work(lease: Lease) -> None:
            with suppress_instrumentation():
                while True:
                    await self.carry_out(pool, lease)
                    await asyncio.sleep(POLL_SECONDS)

        await LeaseKeeper(pool, erasing_lease(self.service), instance, ttl_seconds).run(work)

    async def carry_out(self, pool: Pool, fence: Fence) -> None:
        """Carry out all erasures that are requested. One that fails is tried again in the next round, and
        doesn't hold up the others."""
        place = 0
        while True:
            try:
                more = await self.step(pool, fence, place)
            except LeaseLost:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a part raises
                log.warning("erasure interrupted", service=self.service, error=repr(error))
                place += 1
                continue
            if not more:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    @tried_again
    async def step(self, pool: Pool, fence: Fence, place: int) -> bool:
        """Erase a bounded number of rows, or finish, in one transaction with the fact about it. Returns
        whether there was an erasure at this place."""
        async with transaction(pool) as connection:
            await fence.hold(connection)
            erasure = await erasures.lock_next(connection, self.service, place)
            if erasure is None:
                return False
            erased, finished = await self._erase(connection, erasure), False
            if erased is not None:
                sequence = await erasures.add_counts(connection, erasure.id, self.service, erased.counts)
            else:
                sequence, counts = await erasures.finish(connection, erasure.id, self.service)
                erased, finished = Erased(counts), True
            fact = self.make_fact(erasure.id, erasure.user_id, erased, finished)
            await outbox.append(connection, [outbox.Fact(self.stream, str(erasure.id), sequence, fact)])
        if finished:
            log.info("user erased", service=self.service, erasure=str(erasure.id), counts=dict(erased.counts))
        return True

    async def _erase(self, connection: Connection, erasure: erasures.Erasure) -> Erased | None:
        for part in self.parts:
            erased = await part(connection, erasure.user_id)
            if erased.counts:
                return erased
        return None


async def erase_answers(connection: Connection, user_id: str, *, service: str) -> Erased:
    """Delete some of the answers that a service keeps for the user's ``Idempotency-Key``."""
    answers = await idempotency.delete_of_user(connection, service, user_id)
    return Erased({"idempotency_keys": answers} if answers else {})
