"""One sync of a base at a time: a lease that is held for as long as the sync runs, then given back."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone.leases import ACQUIRE, LOOK, RELEASE, RENEW, STOP_SECONDS, Lease, LeaseLost
from common.errors import is_transient
from common.postgres import Pool
from common.supervision import stop
from knowledge.waiting.later import Later

log = structlog.get_logger()

T = TypeVar("T")


class BaseBusy(Later):
    """Another sync of this base is running."""

    default_code = "sync_running"
    longest_pause = 2.0


class SyncLease:
    """A lease and its renewal. Stop renewing before the last transaction: that one holds the row itself."""

    def __init__(self, pool: Pool, lease: Lease, ttl: timedelta) -> None:
        self._pool, self._ttl = pool, ttl
        self.lease = lease
        self._task = asyncio.create_task(self._renew())

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns. Raises ``LeaseLost``, and cancels ``work``, as soon as a renewal finds that
        another process has taken over: nothing more is read, and nothing more is paid for."""
        task, lost = asyncio.create_task(work), asyncio.create_task(self.lease.lost.wait())
        try:
            await asyncio.wait((task, lost), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return await task
            raise LeaseLost(f"lease {self.lease.name} was taken over from {self.lease.owner}")
        finally:
            await stop(task, lost, patience_seconds=STOP_SECONDS)
            await asyncio.gather(task, lost, return_exceptions=True)

    async def stop_renewing(self) -> None:
        await stop(self._task, patience_seconds=STOP_SECONDS)
        if not self._task.cancelled():
            self._task.result()

    async def _renew(self) -> None:
        while not self.lease.lost.is_set():
            await asyncio.sleep(self._ttl.total_seconds() / 3)
            try:
                with suppress_instrumentation():  # once a second for as long as the sync takes
                    epoch = await self._pool.fetchval(RENEW, self.lease.name, self.lease.epoch, self._ttl)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("lease not renewed", lease=self.lease.name, error=repr(error))
                continue
            if epoch is None:
                self.lease.lost.set()


@asynccontextmanager
async def hold_base(pool: Pool, base_id: str, owner: str, ttl_seconds: float) -> AsyncIterator[SyncLease]:
    """The lease of ``base_id`` for ``owner``, which must be unique to this run. Raises :class:`BaseBusy`."""
    name, ttl = f"knowledge.sync:{base_id}", timedelta(seconds=ttl_seconds)
    epoch = await _acquire(pool, name, owner, ttl)
    if epoch is None:
        raise BaseBusy(f"another sync of {base_id} is running")
    held = SyncLease(pool, Lease(name, owner, epoch), ttl)
    try:
        yield held
    finally:
        await held.stop_renewing()
        with suppress(Exception):
            await asyncio.shield(pool.execute(RELEASE, name, epoch, timeout=1))


async def _acquire(pool: Pool, name: str, owner: str, ttl: timedelta) -> int | None:
    """The new epoch, or ``None`` at once while somebody else holds the lease."""
    row = await pool.fetchrow(LOOK, name)
    if row is not None and not row["expired"]:
        return None
    epoch: int | None = await pool.fetchval(ACQUIRE, name, owner, ttl)
    return epoch
