"""Leases: one holder at a time, by the database's clock, fenced by an epoch.

A holder renews its row three times within its time to live. Another process takes over once the lease has
expired; a restarted process of the same instance name takes over at once. Each transaction of a holder first
reads the row ``FOR SHARE`` with its epoch. So a process that was frozen past its lease changes nothing, and
nobody takes over while such a transaction runs.

:func:`held` is the one way to hold a lease: once for work that ends (a sync), repeatedly for work that
doesn't (:class:`LeaseKeeper`: stream consumers, the relay, the simulation).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from prometheus_client import Counter, Gauge

from common.errors import TakaroError, is_transient
from common.postgres import Connection, Pool
from common.supervision import stop

log = structlog.get_logger()

T = TypeVar("T")

HELD = Gauge("takaro_lease_held", "1 while this process holds the lease", ["lease"])
NAMESAKES = Counter(
    "takaro_lease_namesakes_total", "Times that a process of the same INSTANCE_NAME took the lease", ["lease"]
)

RENEW_AGAIN_SECONDS = 0.01
"""Pause after a renewal whose wait for a lock timed out. It is short, because the wait itself took time."""

STOP_SECONDS = 3.0
"""How long work may take to stop before it is cancelled again. Its current batch commits in that time."""

LOOK = """
SELECT owner, expires_at < clock_timestamp() AS expired FROM leases WHERE name = $1
"""
ACQUIRE = """
WITH free AS (
    SELECT name FROM leases
    WHERE name = $1 AND (expires_at < clock_timestamp() OR ($4 AND owner = $2))
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
"""SKIP LOCKED, so that nobody queues for the row ahead of its holder's renewal. During a long transaction the
holder would otherwise lose the lease."""
RENEW = "UPDATE leases SET expires_at = clock_timestamp() + $3 WHERE name = $1 AND epoch = $2 RETURNING epoch"
RELEASE = "UPDATE leases SET expires_at = '-infinity' WHERE name = $1 AND epoch = $2"
REVOKE = "UPDATE leases SET epoch = epoch + 1, expires_at = '-infinity' WHERE name = $1"
IS_HELD_BY = """
SELECT expires_at > clock_timestamp() FROM leases WHERE name = $1 AND owner = $2 AND epoch > $3
"""
FENCE = "SELECT true AS held FROM leases WHERE name = $1 AND epoch = $2 FOR SHARE"
"""SQL that holds a lease until the commit; no row if it was taken over. A statement that begins with it saves
the round trip of :meth:`Lease.hold`."""


class LeaseLost(TakaroError):
    """Another process has taken over: nothing of the old holder may commit."""

    default_code = "lease_lost"


class LeaseTaken(TakaroError):
    """Another process holds the lease."""

    default_code = "lease_taken"


class Fence(Protocol):
    """Fences transactions: makes sure that this process is still the holder."""

    lost: asyncio.Event

    async def hold(self, connection: Connection) -> None:
        """Hold the right until the commit. Raises :class:`LeaseLost`, and sets ``lost``, if it is gone."""


@dataclass(slots=True)
class Lease:
    """A lease that is held. ``lost`` is set when a renewal finds another holder."""

    name: str
    owner: str
    epoch: int
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self, connection: Connection) -> None:
        """Fence the caller's transaction: hold the lease until the commit. Raises :class:`LeaseLost`."""
        if await connection.fetchval(FENCE, self.name, self.epoch) is None:
            raise self.lose()

    def lose(self) -> LeaseLost:
        """Note that another process has taken over. Returns the error for it."""
        self.lost.set()
        return LeaseLost(f"lease {self.name} was taken over from {self.owner}")


class Held:
    """A held lease and its renewal. Created by :func:`held`."""

    def __init__(self, pool: Pool, lease: Lease, ttl: timedelta) -> None:
        self._pool, self._ttl = pool, ttl
        self.lease = lease
        self._renewal = asyncio.create_task(self._renew())

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work``, and return or raise what it does.

        ``work`` is cancelled as soon as the lease is lost (raises :class:`LeaseLost`), or can't be renewed
        for a permanent reason (raises that error). Nothing further is started then.
        """
        task, lost = asyncio.create_task(work), asyncio.create_task(self.lease.lost.wait())
        try:
            # A renewal that was stopped on purpose ends without an error, and the work continues.
            watched = {task, lost, self._renewal}
            while not task.done() and not lost.done() and not self._failed():
                ended, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                watched -= ended
        finally:
            await stop(task, lost, patience_seconds=STOP_SECONDS)
            await asyncio.gather(task, lost, return_exceptions=True)
        if task.cancelled():
            if self._failed():
                self._renewal.result()
            if not self.lease.lost.is_set():
                raise asyncio.CancelledError
            raise LeaseLost(f"lease {self.lease.name} was taken over from {self.lease.owner}")
        return task.result()

    async def stop_renewing(self) -> None:
        """Stop renewing. Call it before the last transaction: that holds the row, so a renewal would wait for
        it."""
        await stop(self._renewal, patience_seconds=STOP_SECONDS)
        if self._failed():
            self._renewal.result()

    def _failed(self) -> bool:
        renewal = self._renewal
        return renewal.done() and not renewal.cancelled() and renewal.exception() is not None

    async def _renew(self) -> None:
        """Renew until another holder is found. While the database is down nobody can take over.

        A renewal waits for transactions that hold the lease to commit. While one of them is long, the next
        renewal is almost always waiting already, and comes first when it commits.
        """
        pause = self._ttl.total_seconds() / 3
        while not self.lease.lost.is_set():
            await asyncio.sleep(pause)
            pause = self._ttl.total_seconds() / 3
            try:
                # Runs once a second for as long as the work takes, so it belongs to no trace.
                with suppress_instrumentation():
                    epoch = await self._pool.fetchval(RENEW, self.lease.name, self.lease.epoch, self._ttl)
            except asyncpg.LockNotAvailableError:
                pause = RENEW_AGAIN_SECONDS
                continue
            except Exception as error:
                if not is_transient(error):
                    log.error("lease can't be renewed", lease=self.lease.name, exc_info=error)
                    raise
                log.warning("lease not renewed", lease=self.lease.name, error=repr(error))
                continue
            if epoch is None:
                self.lease.lost.set()


@asynccontextmanager
async def held(
    pool: Pool, name: str, owner: str, ttl_seconds: float, *, take_back: bool = True
) -> AsyncIterator[Held]:
    """Hold the lease ``name`` for ``owner``: renewed inside the block, released after it.

    Raises :class:`LeaseTaken` at once if another owner holds it. An owner takes back its own lease, unless
    ``take_back`` is false; ``owner`` names either a process permanently or a single run.
    """
    ttl = timedelta(seconds=ttl_seconds)
    async with pool.acquire() as connection:
        row = await connection.fetchrow(LOOK, name)
        epoch = None
        if row is None or row["expired"] or (take_back and row["owner"] == owner):
            epoch = await connection.fetchval(ACQUIRE, name, owner, ttl, take_back)
    if epoch is None:
        raise LeaseTaken(f"another process holds the lease {name}")
    holding = Held(pool, Lease(name, owner, epoch), ttl)
    try:
        yield holding
    finally:
        with suppress(Exception):
            await holding.stop_renewing()
        with suppress(Exception):
            await asyncio.shield(pool.execute(RELEASE, name, epoch, timeout=1))


async def revoke(connection: Connection, name: str) -> None:
    """Take a lease from its holder, which can't commit anything after this."""
    await connection.execute(REVOKE, name)


class LeaseKeeper:
    """Competes for one lease, and runs work for as long as it holds it."""

    def __init__(self, pool: Pool, name: str, owner: str, ttl_seconds: float) -> None:
        self._pool, self._name, self._owner, self._ttl_seconds = pool, name, owner, ttl_seconds
        self._poll = min(0.5, ttl_seconds / 6)
        self._take_back = True
        self.lease: Lease | None = None
        self.has_tried = False
        """Whether it knows if it gets the lease: until then it isn't standing by."""

    async def run(self, work: Callable[[Lease], Awaitable[None]]) -> None:
        """Acquire the lease, run ``work``, release the lease; repeat until cancelled.

        ``work`` is cancelled when the lease is lost. If it fails, the error is logged and the lease released.
        Two processes of one name would take the lease from each other for ever. The one that loses it says so
        and waits until it expires, as for any other holder.
        """
        while True:
            try:
                async with held(
                    self._pool, self._name, self._owner, self._ttl_seconds, take_back=self._take_back
                ) as holding:
                    await self._work(holding, work)
                if holding.lease.lost.is_set():
                    await self._look_for_a_namesake(holding.lease)
                self.has_tried = True
            except LeaseTaken:
                self.has_tried = True
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("lease unreachable", lease=self._name, error=repr(error))
            await asyncio.sleep(self._poll)

    async def _look_for_a_namesake(self, lease: Lease) -> None:
        if not await self._pool.fetchval(IS_HELD_BY, lease.name, self._owner, lease.epoch):
            return
        self._take_back = False
        NAMESAKES.labels(lease.name).inc()
        log.error(
            "another process has the same INSTANCE_NAME",
            instance=self._owner,
            lease=lease.name,
            what_to_do="give each process an INSTANCE_NAME of its own; this one stands by",
        )

    async def _work(self, holding: Held, work: Callable[[Lease], Awaitable[None]]) -> None:
        lease = self.lease = holding.lease
        HELD.labels(self._name).set(1)
        log.info("lease acquired", lease=lease.name, epoch=lease.epoch, owner=lease.owner)
        try:
            await holding.run(_coroutine(work(lease)))
        except LeaseLost:
            log.warning("lease lost", lease=lease.name, epoch=lease.epoch)
        except Exception as error:
            if is_transient(error):
                log.warning("leased work interrupted", lease=lease.name, error=repr(error))
            else:
                log.error("leased work failed", lease=lease.name, exc_info=error)
        finally:
            self.lease = None
            HELD.labels(self._name).set(0)


async def _coroutine(work: Awaitable[None]) -> None:
    await work
