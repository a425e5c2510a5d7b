"""Reports a sync's progress: in its row, as facts, and to the job."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import structlog

from backbone.leases import STOP_SECONDS, Lease
from common.errors import is_transient
from common.postgres import Pool, transaction, tried_again
from common.supervision import stop
from knowledge.bases import facts as base_facts
from knowledge.bases import repository as bases
from knowledge.content.chunks import repository as chunk_repository
from knowledge.sync import facts, repository
from knowledge.sync.progress import Progress

log = structlog.get_logger()

INTERVAL_SECONDS = 1.0
"""Progress is reported at most this often, except for the beginning and the end of a phase."""

Watch = Callable[[Progress], Awaitable[None]]


class Reporter:
    """Reports of one sync. Each is a separate transaction."""

    def __init__(self, pool: Pool, lease: Lease, sync_id: UUID, base_id: str, watch: Watch) -> None:
        self._pool, self._lease, self._watch = pool, lease, watch
        self._sync_id, self._base_id = sync_id, base_id
        self._last: tuple[str, float] | None = None
        self._counts: object = None
        self._turn = asyncio.Lock()

    async def __call__(self, progress: Progress) -> None:
        """Report ``progress``, if it is time. Raises ``LeaseLost`` if another sync has taken over or the base
        was deleted, so that nothing more is paid for."""
        async with self._turn:
            now = time.monotonic()
            if self._last is not None and not progress.done:
                phase, moment = self._last
                if phase == progress.phase and now - moment < INTERVAL_SECONDS:
                    return
            self._last, self._counts = (progress.phase, now), progress.counts()
            await self._record(progress.to_json())
            await self._watch(progress)

    @tried_again
    async def _record(self, told: dict[str, Any]) -> None:
        fact = facts.progressed(self._sync_id, self._base_id, told)
        async with transaction(self._pool) as connection:
            await self._lease.hold(connection)
            sequence = await bases.update_sequence(connection, self._base_id)
            await repository.update_progress(connection, self._sync_id, told)
            await base_facts.append(connection, self._base_id, fact, sequence)

    @asynccontextmanager
    async def meanwhile(self, progress: Progress, backend: int | None = None) -> AsyncIterator[None]:
        """Report ``progress`` repeatedly while the body runs: when its counts have changed, or, if the body's
        transaction writes rows in ``backend``, at every interval. That transaction must not have locked the
        rows of the base, its sync or its facts. A report that fails is skipped."""
        task = asyncio.create_task(self._repeat(progress, backend))
        try:
            yield
        finally:
            await stop(task, patience_seconds=STOP_SECONDS)
            await asyncio.gather(task, return_exceptions=True)

    async def _repeat(self, progress: Progress, backend: int | None) -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                if backend is not None:
                    await self._look(progress, backend)
                elif progress.counts() == self._counts:
                    continue
                await self(progress)
            except Exception as error:
                log.warning("progress not reported", knowledge_base=self._base_id, error=repr(error))
                if not is_transient(error):
                    raise

    async def _look(self, progress: Progress, backend: int) -> None:
        written = progress.rows_written
        async with self._pool.acquire() as connection:
            rows = await chunk_repository.get_copied_rows(connection, backend)
        if progress.rows_written == written:  # otherwise it was of a COPY that has finished since
            progress.see_under_way(rows)
