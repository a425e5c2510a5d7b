"""Syncs whose end was never recorded here: settled by what the queue knows, requested again, or failed.

A sync that Postgres knows as queued or running has a job in Redis. The job may disappear: Redis came back
without its last writes, BullMQ 5 resumed a paused queue, somebody cleaned up by hand. Then the sync would
stay unfinished. If a worker of the Node application did the job, or BullMQ gave it up (its workers died of
it), nobody would have recorded that either.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import structlog
from bullmq import Queue  # type: ignore[import-untyped]

from backbone.leases import Lease, LeaseLost
from common.postgres import Pool
from knowledge.bases import repository as bases
from knowledge.content.lease import BaseBusy, hold_base
from knowledge.queue import repository
from knowledge.queue.outcomes import JobOutcome, outcome_of, outcomes_told
from knowledge.requests.records import SyncRequest
from knowledge.sync import applying
from knowledge.sync.wire import parse_job_result

log = structlog.get_logger()

BATCH = 200
LEASE_SECONDS = 5.0
ADDED_AGAIN = "its job was lost, and was added again"


async def settle_lost(pool: Pool, queue: Queue, patience: timedelta) -> int:
    """Check syncs that were queued or running for longer than ``patience``. Returns the number settled.

    A sync of ours is recorded as finished before its job may leave the queue. So if its job is done or
    missing while the sync still counts as unfinished, another program did the job, or the job is lost.
    """
    async with pool.acquire() as connection:
        unfinished = await repository.list_unfinished(connection, patience, BATCH)
    states = {sync.job_id: await queue.getJobState(sync.job_id) for sync in unfinished}
    gone = {job_id for job_id, state in states.items() if state == "unknown"}
    told = await outcomes_told(queue, gone)
    settled = 0
    for sync in unfinished:
        outcome = told.get(sync.job_id)
        if states[sync.job_id] in ("completed", "failed"):
            outcome = await outcome_of(queue, sync.job_id)
        if outcome is not None:
            settled += await _settle(pool, sync, outcome)
        elif sync.job_id in gone:
            settled += await _ask_again(pool, queue, sync)
    return settled


async def _settle(pool: Pool, sync: SyncRequest, outcome: JobOutcome) -> bool:
    """Record the outcome of a job."""
    if outcome.failed_reason is not None:
        return await _give_up(pool, sync, outcome.failed_reason or "the job failed")
    result = parse_job_result(outcome.result)
    async with pool.acquire() as connection:
        base = await bases.get_base(connection, sync.knowledge_base_id)
    if base is None:
        return False  # just deleted, with its syncs
    if result is None:
        reason = "another worker completed its job, but its result isn't a sync's: the outcome is unknown"
        return await _give_up(pool, sync, reason)

    async def finish(lease: Lease) -> None:
        log.info("job was done by another worker", job=sync.job_id, knowledge_base=base.id)
        await applying.finish_unchanged(pool, lease, sync.id, base, result)

    return await _finish(pool, sync, finish)


async def _ask_again(pool: Pool, queue: Queue, sync: SyncRequest) -> bool:
    """Add a missing job of ours again, once. Another program's job isn't ours to add."""
    if sync.reason in ("job", "schedule"):
        return await _give_up(pool, sync, "its job is no longer in the queue")
    await queue.remove(sync.job_id)  # remains of it would count as the job itself
    async with pool.acquire() as connection:
        again = await repository.update_requested(connection, sync.id, ADDED_AGAIN)
    if not again:
        reason = "its job left the queue twice, and its end was not reported: the outcome is unknown"
        return await _give_up(pool, sync, reason)
    log.warning("job was lost and is added again", job=sync.job_id, knowledge_base=sync.knowledge_base_id)
    return True


async def _give_up(pool: Pool, sync: SyncRequest, reason: str) -> bool:
    async def finish(lease: Lease) -> None:
        base_id = sync.knowledge_base_id
        log.warning("job was given up", job=sync.job_id, knowledge_base=base_id, reason=reason)
        await applying.finish_failed(pool, lease, sync.id, base_id, reason)

    return await _finish(pool, sync, finish)


async def _finish(pool: Pool, sync: SyncRequest, finish: Callable[[Lease], Awaitable[None]]) -> bool:
    """Runs under the base's lease, so that a worker frozen in this sync can't record another outcome
    later."""
    try:
        async with hold_base(pool, sync.knowledge_base_id, f"settled/{uuid4()}", LEASE_SECONDS) as held:
            async with pool.acquire() as connection:
                if not await repository.is_unfinished(connection, sync.id):
                    return False
            await finish(held.lease)
            return True
    except (BaseBusy, LeaseLost):
        return False  # a sync of the base is running, perhaps this one: it is checked again
