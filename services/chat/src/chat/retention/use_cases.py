"""Deletes conversations that are past their retention, as their users would."""

import asyncio
from uuid import UUID

import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from prometheus_client import Counter, Gauge

from backbone.leases import Fence, Lease, LeaseKeeper
from backbone.names import RETENTION_LEASE
from chat.conversations.use_cases import delete_conversations
from chat.retention import repository
from chat.retention.records import Retention, Step
from chat.retention.rules import parts
from common.postgres import Pool, transaction, tried_again

log = structlog.get_logger()

DELETED = Counter("takaro_chat_retention_deleted_total", "Conversations deleted past their retention")
DUE = Gauge("takaro_chat_retention_due", "Conversations past their retention, when they were last counted")

ROUND_SECONDS = 300.0
LOOKED_AT_ONCE = 1_000
PAUSE_SECONDS = 0.05
"""Between two transactions, so that deletions leave the database to others most of the time."""


async def keep_retention(
    pool: Pool, retention: Retention, instance: str, ttl_seconds: float, *, dry_run: bool
) -> None:
    """Delete what is due every few minutes, in one process at a time, until cancelled.

    ``dry_run`` only counts.
    """
    if not retention.deletes():
        await asyncio.Event().wait()

    async def work(lease: Lease) -> None:
        with suppress_instrumentation():
            while True:
                due, deleted = await go_through(pool, retention, lease, dry_run=dry_run)
                DUE.set(due)
                if due:
                    log.info("retention of conversations", due=due, deleted=deleted, dry_run=dry_run)
                await asyncio.sleep(ROUND_SECONDS)

    await LeaseKeeper(pool, RETENTION_LEASE, instance, ttl_seconds).run(work)


async def go_through(pool: Pool, retention: Retention, fence: Fence, *, dry_run: bool) -> tuple[int, int]:
    """Look at all conversations once, and delete those that are due. Returns how many were due and deleted.

    Each step is a transaction of its own. After a kill the next round goes on: what is deleted is gone.
    """
    due = deleted = 0
    after: UUID | None = UUID(int=0)
    while after is not None:
        step = await _look(pool, retention, after)
        due, after = due + len(step.due), step.last
        for part in [] if dry_run else parts(step.due):
            deleted += await delete_due(pool, retention, fence, part)
            await asyncio.sleep(PAUSE_SECONDS)
    return due, deleted


@tried_again
async def _look(pool: Pool, retention: Retention, after: UUID) -> Step:
    async with pool.acquire() as connection:
        return await repository.list_step(connection, retention, after, LOOKED_AT_ONCE)


@tried_again
async def delete_due(pool: Pool, retention: Retention, fence: Fence, ids: list[UUID]) -> int:
    """Delete those of these conversations that are still due, with their facts, in one transaction. Returns
    their number. Who just works on a conversation isn't waited for: the next round looks at it again."""
    async with transaction(pool) as connection:
        await fence.hold(connection)
        doomed = await repository.lock_due(connection, retention, ids)
        if doomed:
            await delete_conversations(connection, [(conversation_id, None) for conversation_id in doomed])
    DELETED.inc(len(doomed))
    return len(doomed)
