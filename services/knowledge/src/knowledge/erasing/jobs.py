"""Removes the jobs of a user's bases from the queue ``kb-sync``, whatever their state, with their logs and
events."""

from collections.abc import Collection, Mapping
from typing import Any

from bullmq import Queue  # type: ignore[import-untyped]
from redis.asyncio import Redis

from backbone.erasures import Erasure
from backbone.queued_jobs import KEY, SCHEDULERS, QueuedJob, find_erased
from common.postgres import Connection
from knowledge.jobs.wire import PREFIX, QUEUE

JOBS_AT_ONCE = 500
EVENTS_PAGE = 1_000


class QueueErasing:
    """What knowledge erases beyond Postgres and its streams. ``client`` is of
    :func:`backbone.queued_jobs.open_queue`."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._queue = Queue(QUEUE, {"connection": client, "prefix": PREFIX})

    async def erase(self, connection: Connection, erasure: Erasure) -> Mapping[str, int] | None:
        """Remove some jobs and schedulers of bases that were erased with the user. Returns their number;
        ``None`` while only jobs are left that a worker has, which end soon: their bases are gone."""
        found: list[QueuedJob] = []
        async for page in find_erased(self._client, connection, erasure.user_id):
            found += page
            if len(found) >= JOBS_AT_ONCE:
                break
        removed = [job.id for job in found if await self._remove(job)]
        if removed:
            await self._delete_events(set(removed))
            return {KEY: len(removed)}
        return None if found else {}

    async def _remove(self, job: QueuedJob) -> bool:
        if job.state == SCHEDULERS:
            return bool(await self._queue.removeJobScheduler(job.id) == 0)
        return bool(await self._queue.remove(job.id) == 1)

    async def _delete_events(self, job_ids: Collection[str]) -> None:
        """BullMQ's own events have what a job returned, and why it failed."""
        after = "-"
        while True:
            page: Any = await self._client.xrange(f"{KEY}:events", min=after, count=EVENTS_PAGE)
            if doomed := [entry_id for entry_id, event in page if event.get("jobId") in job_ids]:
                await self._client.xdel(f"{KEY}:events", *doomed)
            if len(page) < EVENTS_PAGE:
                return
            after = f"({page[-1][0]}"
