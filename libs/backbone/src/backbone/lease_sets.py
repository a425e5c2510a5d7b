"""Many leases of one process, such as one for each socket that it holds open.

They are rows of the same table as every lease (:mod:`backbone.leases`), fenced in the same way. One statement
acquires many of them, one renews them all, and one releases them.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone.leases import RENEW_AGAIN_SECONDS, Lease
from common.errors import is_transient
from common.postgres import Pool
from common.supervision import stop

log = structlog.get_logger()

ACQUIRE_MANY = """
WITH wanted AS (
    SELECT DISTINCT unnest($1::text[]) AS name
), free AS (
    SELECT l.name FROM leases l JOIN wanted USING (name)
    WHERE l.expires_at < clock_timestamp() OR ($4 AND l.owner = $2)
    ORDER BY l.name FOR UPDATE OF l SKIP LOCKED
), taken AS (
    UPDATE leases AS current
    SET owner = $2, epoch = epoch + 1, acquired_at = clock_timestamp(), expires_at = clock_timestamp() + $3
    FROM free WHERE current.name = free.name
    RETURNING current.name, current.epoch
), made AS (
    INSERT INTO leases AS current (name, owner, epoch, expires_at)
    SELECT name, $2, 1, clock_timestamp() + $3 FROM wanted
    WHERE NOT EXISTS (SELECT 1 FROM leases l WHERE l.name = wanted.name)
    ORDER BY name
    ON CONFLICT DO NOTHING
    RETURNING name, epoch
)
SELECT name, epoch FROM taken UNION ALL SELECT name, epoch FROM made
"""

RENEW_MANY = """
WITH wanted AS (
    SELECT * FROM unnest($1::text[], $2::bigint[]) AS w(name, epoch)
), mine AS (
    SELECT l.name FROM leases l JOIN wanted w USING (name, epoch) WHERE l.expires_at > '-infinity'
    ORDER BY l.name FOR NO KEY UPDATE OF l SKIP LOCKED
), renewed AS (
    UPDATE leases SET expires_at = clock_timestamp() + $3 FROM mine WHERE leases.name = mine.name
    RETURNING leases.name
)
SELECT w.name, r.name IS NOT NULL AS renewed, l.name IS NOT NULL AS mine
FROM wanted w LEFT JOIN renewed r USING (name)
LEFT JOIN leases l ON l.name = w.name AND l.epoch = w.epoch AND l.expires_at > '-infinity'
"""
"""SKIP LOCKED, so that a long transaction of one lease doesn't hold up the renewal of all others. A lease
that was released meanwhile stays so."""

RENEW_LOCKED = """
UPDATE leases SET expires_at = clock_timestamp() + $3
WHERE name = $1 AND epoch = $2 AND expires_at > '-infinity' RETURNING epoch
"""

RELEASE_MANY = """
UPDATE leases SET expires_at = '-infinity'
FROM unnest($1::text[], $2::bigint[]) AS held(name, epoch)
WHERE leases.name = held.name AND leases.epoch = held.epoch
"""

HELD_ELSEWHERE = "(SELECT name FROM leases WHERE expires_at >= clock_timestamp() AND owner <> $1)"
"""Names of leases that processes other than ``$1`` hold: a part of a statement."""

HELD_HERE = """(
    SELECT l.name FROM unnest($1::text[], $2::bigint[]) AS h(name, epoch) JOIN leases l USING (name, epoch)
    ORDER BY l.name FOR SHARE OF l
)"""
"""Those of these leases, given with their epochs, that nobody has taken over, held to the commit: a part of a
statement."""


LOOK_AGAIN_SECONDS = (0.05, 0.2)
"""Pauses before looks at leases that were locked: nearly all are locked for an instant."""

WAITING_AT_ONCE = 4
"""Renewals that wait for a long transaction. Each takes a connection; others are left to the next look."""


class LeaseSet:
    """The leases of one process. :meth:`run` renews them until it is cancelled."""

    def __init__(self, pool: Pool, owner: str, ttl_seconds: float) -> None:
        self._pool, self._owner, self._ttl = pool, owner, timedelta(seconds=ttl_seconds)
        self._leases: dict[str, Lease] = {}
        self._valid_until: dict[str, float] = {}
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._tried_back = False

    @property
    def leases(self) -> Mapping[str, Lease]:
        """What is held, by name."""
        return self._leases

    def is_valid(self, lease: Lease) -> bool:
        """Whether nobody else can hold the lease now, by this process's clock.

        The clock is monotonic and counts from before the last renewal was sent, so this is false as soon as
        the database could give the lease away, also in the first instant after the process was frozen.
        """
        if lease.lost.is_set() or self._leases.get(lease.name) is not lease:
            return False
        return time.monotonic() < self._valid_until[lease.name]

    async def acquire(self, names: Collection[str]) -> Sequence[Lease]:
        """Acquire those of ``names`` that are free, or were left by a process of this instance name."""
        wanted = [name for name in names if name not in self._leases]
        if not wanted:
            return []
        asked = time.monotonic()
        # A namesake that runs meanwhile isn't robbed: only what was left before the first call is taken back.
        take_back, self._tried_back = not self._tried_back, True
        rows = await self._pool.fetch(ACQUIRE_MANY, wanted, self._owner, self._ttl, take_back)
        acquired = [Lease(row["name"], self._owner, row["epoch"]) for row in rows]
        for lease in acquired:
            self._leases[lease.name] = lease
            self._valid_until[lease.name] = asked + self._ttl.total_seconds()
        return acquired

    async def release(self, leases: Collection[Lease]) -> None:
        """Release these leases, so that another process acquires them at once."""
        for lease in leases:
            if self._leases.get(lease.name) is lease:
                del self._leases[lease.name], self._valid_until[lease.name]
        if leases:
            names, epochs = [lease.name for lease in leases], [lease.epoch for lease in leases]
            await self._pool.execute(RELEASE_MANY, names, epochs)

    async def run(self) -> None:
        """Renew all leases, three times within their time to live. One that is lost is marked so."""
        try:
            while True:
                await asyncio.sleep(self._ttl.total_seconds() / 3)
                try:
                    with suppress_instrumentation():
                        await self._renew()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    log.warning("leases not renewed", error=repr(error))
        finally:
            await stop(*self._waiting.values(), patience_seconds=1)
            self._waiting.clear()

    async def _renew(self) -> None:
        for name, task in list(self._waiting.items()):
            if task.done():
                del self._waiting[name]
                task.result()
        leases = [lease for lease in self._leases.values() if lease.name not in self._waiting]
        locked = await self._renew_free(leases)
        for pause in LOOK_AGAIN_SECONDS:
            if locked:
                await asyncio.sleep(pause)
                locked = await self._renew_free(locked)
        for lease in locked[: WAITING_AT_ONCE - len(self._waiting)]:
            self._waiting[lease.name] = asyncio.create_task(self._renew_locked(lease))

    async def _renew_free(self, leases: Sequence[Lease]) -> Sequence[Lease]:
        """Renew these leases, and return those that transactions of this process hold."""
        if not leases:
            return []
        asked = time.monotonic()
        names, epochs = [lease.name for lease in leases], [lease.epoch for lease in leases]
        rows = {row["name"]: row for row in await self._pool.fetch(RENEW_MANY, names, epochs, self._ttl)}
        locked = []
        for lease in leases:
            row = rows[lease.name]
            if row["renewed"]:
                self._extend(lease, asked)
            elif row["mine"]:
                locked.append(lease)
            else:
                self._lose(lease)
        return locked

    async def _renew_locked(self, lease: Lease) -> None:
        """Wait for the transaction that holds the lease, while all others are renewed."""
        while self._leases.get(lease.name) is lease:
            asked = time.monotonic()
            try:
                epoch = await self._pool.fetchval(RENEW_LOCKED, lease.name, lease.epoch, self._ttl)
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(RENEW_AGAIN_SECONDS)
                continue
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("lease not renewed", lease=lease.name, error=repr(error))
                return
            if epoch is None:
                self._lose(lease)
            else:
                self._extend(lease, asked)
            return

    def _extend(self, lease: Lease, asked: float) -> None:
        if self._leases.get(lease.name) is lease:
            self._valid_until[lease.name] = asked + self._ttl.total_seconds()

    def _lose(self, lease: Lease) -> None:
        if self._leases.get(lease.name) is lease:  # it may have been released while this was asked
            log.warning("lease lost", lease=lease.name, epoch=lease.epoch)
            lease.lost.set()
            del self._leases[lease.name], self._valid_until[lease.name]
