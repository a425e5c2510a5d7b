"""BullMQ's worker in its Python port, with what keeps jobs from getting lost or stuck."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from bullmq import Job, Worker  # type: ignore[import-untyped]
from redis.exceptions import ResponseError

from common.errors import is_outage
from knowledge.jobs.stored import read_stored, unreadable
from knowledge.waiting.slots import Slots

log = structlog.get_logger()

MOST_JOBS = 100
"""Maximum jobs at once: those with a slot, and those whose source or embedder is silent."""


class KeepingWorker(Worker):  # type: ignore[misc]
    """Keeps the data of repeatables that BullMQ 5 made, and takes a job only if a slot is free.

    BullMQ 5 leaves ``bull:kb-sync:repeat:<key>`` without a ``data`` field, so the next iteration would be
    created with ``{}``. The current iteration still has its data, so this copies them there first.

    A job that BullMQ can't read would stay active and come back for ever. It fails once, with its reason.

    Syncs whose source is silent lend their slots, so there can be more jobs than slots.
    """

    def __init__(
        self, name: str, processor: Callable[[Job, str], Awaitable[object]], options: Any, slots: Slots
    ) -> None:
        super().__init__(name, processor, options)
        self.problems: dict[str, str] = {}
        """Why jobs that were taken can't run, by their ids."""
        self._slots, self._in_hand = slots, 0
        self._count(0)

    async def getNextJob(self, token: str) -> Job | None:  # noqa: N802 (BullMQ's name)
        """The next job, once a slot is free."""
        await self._slots.one_is_free()
        job = None if self.closing else await super().getNextJob(token)
        if job is not None:
            self._count(1)
        return job

    async def processJob(self, job: Job, token: str) -> None:  # noqa: N802
        try:
            await super().processJob(job, token)
        finally:
            self._count(-1)

    def _count(self, jobs: int) -> None:
        """BullMQ requests jobs while it has fewer than its concurrency, so it requests one more at a time."""
        self._in_hand += jobs
        self.opts["concurrency"] = min(self._in_hand + 1, MOST_JOBS)

    async def moveToActive(self, token: str) -> Job | None:  # noqa: N802 (BullMQ's name)
        """Take a job. A job that Redis itself can't process (``ats`` is no number) doesn't stay active."""
        try:
            return await super().moveToActive(token)
        except ResponseError as error:
            if is_outage(error):
                raise
            for job_id in await self.client.lrange(self.backend.toKey("active"), 0, -1):
                if await self.client.get(f"{self.backend.toKey(job_id)}:lock") == token:
                    return await self._take_anyway(job_id, token)
            raise

    async def _take_anyway(self, job_id: str, token: str) -> Job | None:
        """The job that a script locked before it failed."""
        key = self.backend.toKey(job_id)
        if await self.client.type(key) != "hash":
            log.error("entry of the queue is no job, and is removed", queue=self.name, job=job_id)
            await self.client.lrem(self.backend.toKey("active"), 0, job_id)
            await self.client.delete(f"{key}:lock")
            return None
        return await self.nextJobFromJobData(await self.client.hgetall(key), job_id, token=token)

    async def nextJobFromJobData(  # noqa: N802 (BullMQ's name)
        self,
        job_data: dict[str, str] | None = None,
        job_id: str | None = None,
        limit_until: int = 0,
        delay_until: int = 0,
        token: str | None = None,
    ) -> Job | None:
        """The job that was taken. What can't be read of it is repaired, and its run fails with the reason."""
        if not job_data or job_id is None:
            return await super().nextJobFromJobData(job_data, job_id, limit_until, delay_until, token)
        stored = read_stored(job_id, job_data)
        if stored.problem is None:
            try:
                return await super().nextJobFromJobData(
                    stored.fields, job_id, limit_until, delay_until, token
                )
            except (TypeError, ValueError, AttributeError) as error:
                stored = unreadable(job_data, error)
        self.problems[job_id] = stored.problem or ""
        await self._repair(job_id, stored.repairs)
        return await super().nextJobFromJobData(stored.fields, job_id, limit_until, delay_until, token)

    async def _repair(self, job_id: str, repairs: Mapping[str, str | None]) -> None:
        key = self.backend.toKey(job_id)
        pipeline = self.client.pipeline(transaction=True)
        for name, value in repairs.items():
            if value is None:
                pipeline.hdel(key, name)
            else:
                pipeline.hset(key, name, value)
        await pipeline.execute()

    async def _scheduleNextIteration(self, job: Job) -> None:  # noqa: N802 (BullMQ's name)
        if job.data and job.id not in self.problems:
            key = self.backend.toKey(f"repeat:{job.repeatJobKey}")
            if await self.client.exists(key):
                await self.client.hsetnx(key, "data", json.dumps(job.data, separators=(",", ":")))
        await super()._scheduleNextIteration(job)
