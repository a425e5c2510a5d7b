"""Keeps BullMQ's job schedulers in step with the registry: at start, after each change, and periodically.

The registry holds what is wanted; Redis follows. One process at a time does it, under a lease: of two, one
could put back a scheduler that the other has just removed. If Redis has lost everything, its schedulers exist
again after one round.
"""

from typing import Any

import structlog
from bullmq import Job, Queue  # type: ignore[import-untyped]

from backbone import names
from backbone.leases import Lease, LeaseKeeper
from common.errors import is_transient
from common.notifications import Notifications
from common.postgres import Pool
from knowledge.bases import repository as bases
from knowledge.bases.records import KnowledgeBase
from knowledge.jobs.connection import producer_client
from knowledge.jobs.wire import PREFIX, QUEUE
from knowledge.schedules import repository, rules

log = structlog.get_logger()


class Reconciler:
    """Can run in any number of processes; one of them works at a time."""

    def __init__(
        self,
        pool: Pool,
        redis_url: str,
        notifications: Notifications,
        *,
        instance: str,
        lease_ttl_seconds: float,
        interval_seconds: float,
    ) -> None:
        self._pool, self._redis_url, self._notifications = pool, redis_url, notifications
        self._keeper = LeaseKeeper(pool, names.SCHEDULES_LEASE, instance, lease_ttl_seconds)
        self._interval = interval_seconds

    async def run(self) -> None:
        """Keep the schedulers in step until cancelled."""
        await self._keeper.run(self._follow)

    async def _follow(self, _: Lease) -> None:
        client = producer_client(self._redis_url)
        queue = Queue(QUEUE, {"connection": client, "prefix": PREFIX})
        try:
            async with self._notifications.subscribe(names.SCHEDULES_CHANNEL) as changed:
                while True:
                    try:
                        await reconcile(self._pool, queue)
                    except Exception as error:
                        if not is_transient(error):
                            raise
                        log.warning("schedules wait for Redis or Postgres", error=repr(error))
                    await changed.wait(self._interval)
        finally:
            await client.aclose()


async def reconcile(pool: Pool, queue: Queue) -> int:
    """Bring every scheduler in line with the registry. Returns how many changed."""
    async with pool.acquire() as connection:
        retired = await repository.list_retired_schedules(connection)
        wanted = await bases.list_scheduled(connection)
    scheduled = {base.id for base in wanted}
    changed = 0
    for base_id, retired_at in retired:
        if base_id not in scheduled and await queue.removeJobScheduler(rules.key_of(base_id)) == 0:
            log.info("schedule removed", knowledge_base=base_id)
            changed += 1
        async with pool.acquire() as connection:
            await repository.delete_retired_schedule(connection, base_id, retired_at)
    return changed + sum([await _keep(queue, base) for base in wanted])


async def _keep(queue: Queue, base: KnowledgeBase) -> bool:
    key = rules.key_of(base.id)
    scheduler = await _get(queue, key)
    if scheduler and rules.is_in_step(base, scheduler) and await _has_next(queue, key, scheduler["next"]):
        return False
    try:
        await queue.upsertJobScheduler(
            key,
            {"pattern": base.refresh_schedule},
            rules.JOB_NAME,
            rules.scheduled_data_of(base),
            rules.JOB_OPTIONS,
        )
    except (TypeError, ValueError) as error:
        # BullMQ's scripts or cron refused it. It must not hold up the others; the next round tries again.
        log.error(
            "schedule not set", knowledge_base=base.id, schedule=base.refresh_schedule, error=repr(error)
        )
        return False
    log.info("schedule set", knowledge_base=base.id, schedule=base.refresh_schedule)
    return True


async def _get(queue: Queue, key: str) -> dict[str, Any] | None:
    try:
        scheduler: dict[str, Any] | None = await queue.getJobScheduler(key)
    except ValueError:
        return None  # the Python port can't unpack the answer for a key that isn't in the sorted set
    return scheduler


async def _has_next(queue: Queue, key: str, next_ms: int | None) -> bool:
    """Whether the scheduler's next run has its job. Without one, no further run would be created."""
    if next_ms is None:
        return False
    try:
        return await Job.fromId(queue, f"repeat:{key}:{int(next_ms)}") is not None
    except (TypeError, ValueError, AttributeError):
        return True  # it can't be read: its run fails, and creates the next one
