"""Leases: one holder at a time, by the database's clock, fenced by an epoch.

A holder renews its row three times within its time to live. Another process takes over when it has expired,
and a restarted process of the same instance name takes over at once. What a holder writes, it writes in a
transaction that first reads the row ``FOR SHARE`` with its epoch: a process that was frozen past its lease
changes nothing, and nobody takes over while such a transaction runs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import asyncpg
import structlog
from prometheus_client import Gauge

from common.errors import TakaroError, is_transient
from common.postgres import Connection, Pool
from common.supervision import stop

log = structlog.get_logger()

HELD = Gauge("takaro_lease_held", "1 while this process holds the lease", ["lease"])

RENEW_AGAIN_SECONDS = 0.01
"""Pause after a renewal that timed out waiting for a lock: the wait itself is what takes time."""

STOP_SECONDS = 3.0
"""How long work may take to stop before it is cancelled once more: a batch in hand commits in that time."""

LOOK = """
SELECT owner, expires_at < clock_timestamp() AS expired FROM leases WHERE name = $1
"""
ACQUIRE = """
WITH free AS (
    SELECT name FROM leases
    WHERE name = $1 AND (expires_at < clock_timestamp() OR owner = $2)
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE leases AS current
    SET owner = $2, epoch = epoch + 1, acquired_at = clock_timestamp(), expires_at = clock_timestamp() + $3
    FROM free WHERE current.name = free.name
    RETURNING epoch
), made AS (
    INSERT INTO leases AS current (name, owner, epoch, expires_at)
    SELECT $1, $2, 1, clock_timestamp() + $3 WHERE NOT EXISTS (SELECT 1 FROM leases WHERE name = $1)
    ON CONFLICT DO NOTHING
    RETURNING epoch
)
SELECT epoch FROM taken UNION ALL SELECT epoch FROM made
"""
"""Nobody waits for a lease in line with its holder's renewal: one in a long transaction would lose it."""
RENEW = "UPDATE leases SET expires_at = clock_timestamp() + $3 WHERE name = $1 AND epoch = $2 RETURNING epoch"
RELEASE = "UPDATE leases SET expires_at = '-infinity' WHERE name = $1 AND epoch = $2"
HOLD = "SELECT 1 FROM leases WHERE name = $1 AND epoch = $2 FOR SHARE"


class LeaseLost(TakaroError):
    """Another process has taken over: nothing that the old holder does may commit any more."""

    default_code = "lease_lost"


class Fence(Protocol):
    """What a transaction asks before it changes anything: whether its process is still the one to do so."""

    lost: asyncio.Event

    async def hold(self, connection: Connection) -> None:
        """Keep the right to the commit. Raises :class:`LeaseLost`, and sets ``lost``, when it is gone."""


@dataclass(slots=True)
class Lease:
    """A lease in hand. ``lost`` is set when a renewal finds another holder."""

    name: str
    owner: str
    epoch: int
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self, connection: Connection) -> None:
        """Fence the caller's transaction: raises :class:`LeaseLost`, or keeps the lease to the commit."""
        if await connection.fetchval(HOLD, self.name, self.epoch) is None:
            self.lost.set()
            raise LeaseLost(f"lease {self.name} was taken over from {self.owner}")


class LeaseKeeper:
    """Competes for one lease and runs the work that needs it, for as long as it is held."""

    def __init__(self, pool: Pool, name: str, owner: str, ttl_seconds: float) -> None:
        self._pool, self._name, self._owner = pool, name, owner
        self._ttl = timedelta(seconds=ttl_seconds)
        self._poll = min(0.5, ttl_seconds / 6)
        self.lease: Lease | None = None

    async def run(self, work: Callable[[Lease], Awaitable[None]]) -> None:
        """Wait for the lease, run ``work``, give the lease back; again for ever, until cancelled.

        ``work`` is cancelled when the lease is lost. An error of its own is logged and the lease given up.
        """
        while True:
            lease = await self._acquire()
            self.lease = lease
            HELD.labels(self._name).set(1)
            log.info("lease acquired", lease=lease.name, epoch=lease.epoch, owner=lease.owner)
            try:
                await self._work(lease, work)
            finally:
                self.lease = None
                HELD.labels(self._name).set(0)
                with suppress(Exception):
                    await asyncio.shield(self._pool.execute(RELEASE, lease.name, lease.epoch, timeout=1))
            await asyncio.sleep(self._poll)

    async def _work(self, lease: Lease, work: Callable[[Lease], Awaitable[None]]) -> None:
        tasks = [
            asyncio.ensure_future(work(lease)),
            asyncio.create_task(self._renew(lease)),
            asyncio.create_task(lease.lost.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stop(*tasks, patience_seconds=STOP_SECONDS)
            results = await asyncio.gather(*tasks, return_exceptions=True)
        if lease.lost.is_set():
            log.warning("lease lost", lease=lease.name, epoch=lease.epoch)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, LeaseLost):
                log.error("leased work failed", lease=lease.name, exc_info=result)

    async def _acquire(self) -> Lease:
        while True:
            try:
                async with self._pool.acquire() as connection:
                    row = await connection.fetchrow(LOOK, self._name)
                    if row is None or row["expired"] or row["owner"] == self._owner:
                        epoch = await connection.fetchval(ACQUIRE, self._name, self._owner, self._ttl)
                        if epoch is not None:
                            return Lease(self._name, self._owner, epoch)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("lease unreachable", lease=self._name, error=repr(error))
            await asyncio.sleep(self._poll)

    async def _renew(self, lease: Lease) -> None:
        """Renew until another holder is found. While the database is away nobody can take over.

        A renewal waits for the transactions that hold the lease to their commit. It is all but always waiting
        while one of them is long, so that it comes first when that commits.
        """
        pause = self._ttl.total_seconds() / 3
        while True:
            await asyncio.sleep(pause)
            pause = self._ttl.total_seconds() / 3
            try:
                async with self._pool.acquire() as connection:
                    epoch = await connection.fetchval(RENEW, lease.name, lease.epoch, self._ttl)
            except asyncpg.LockNotAvailableError:
                pause = RENEW_AGAIN_SECONDS
                continue
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("lease not renewed", lease=lease.name, error=repr(error))
                continue
            if epoch is None:
                lease.lost.set()
                raise LeaseLost(f"lease {lease.name} was taken over from {lease.owner}")
