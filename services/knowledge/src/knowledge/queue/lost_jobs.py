"""Syncs whose job the queue has lost: asked for again, or told as failed.

A sync that Postgres knows as queued or running has a job in Redis. When it hasn't any more (Redis came back
without its last writes, BullMQ 5 resumed a paused queue, somebody cleaned up by hand), nothing would ever
come of it. When BullMQ gave a job up (its workers died of it), nobody would have said so.
"""

from datetime import timedelta
from uuid import uuid4

import structlog
from bullmq import Job, Queue  # type: ignore[import-untyped]

from common.leases import LeaseLost
from common.postgres import Pool
from knowledge.queue import repository
from knowledge.sync import applying
from knowledge.sync.lease import BaseBusy, hold_base
from knowledge.sync.models import SyncRequest

log = structlog.get_logger()

BATCH = 200
LEASE_SECONDS = 5.0


async def settle_lost(pool: Pool, queue: Queue, patience: timedelta) -> int:
    """Look at syncs that have been queued or running for longer than ``patience``; how many were settled.

    A sync is recorded as finished before its job may leave the queue. So one whose job is gone, and which
    then still counts as unfinished, has lost it.
    """
    async with pool.acquire() as connection:
        unfinished = await repository.list_unfinished(connection, patience, BATCH)
    return sum([await _settle(pool, queue, sync) for sync in unfinished])


async def _settle(pool: Pool, queue: Queue, sync: SyncRequest) -> bool:
    state = await queue.getJobState(sync.job_id)
    if state == "failed":
        job = await Job.fromId(queue, sync.job_id)
        return await _give_up(pool, sync, (job and job.failedReason) or "the job failed")
    if state != "unknown":
        return False
    if sync.reason in ("job", "schedule"):  # somebody else's job: it isn't ours to add
        return await _give_up(pool, sync, "its job is no longer in the queue")
    await queue.remove(sync.job_id)  # what may be left of it would pass for the job itself
    async with pool.acquire() as connection:
        again = await repository.update_requested(connection, sync.id)
    if again:
        log.warning("job was lost and is added again", job=sync.job_id, knowledge_base=sync.knowledge_base_id)
    return again


async def _give_up(pool: Pool, sync: SyncRequest, reason: str) -> bool:
    """Under the base's lease: a worker that is frozen in this sync can't add an outcome of its own later."""
    try:
        base_id = sync.knowledge_base_id
        async with hold_base(pool, base_id, f"given up/{uuid4()}", LEASE_SECONDS) as held:
            async with pool.acquire() as connection:
                if not await repository.is_unfinished(connection, sync.id):
                    return False
            log.warning("job was given up", job=sync.job_id, knowledge_base=base_id, reason=reason)
            await applying.finish_failed(pool, held.lease, sync.id, base_id, reason)
            return True
    except (BaseBusy, LeaseLost):
        return False  # a sync of the base is running, perhaps this one: it is asked after again
