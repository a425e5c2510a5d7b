"""The schedules in Redis follow the registry, even if no notification of the change arrives."""

import asyncio
from contextlib import suppress
from dataclasses import replace

from redis.asyncio import Redis

from common.notifications import Notifications
from knowledge.registry.use_cases import create_base
from knowledge.schedules.reconciler import Reconciler
from knowledge.settings import KnowledgeSettings
from tests.integration.knowledge.conftest import Harness
from tests.support.wait import eventually


async def test_a_redis_that_lost_the_schedules_has_them_again(
    harness: Harness, database: str, redis: Redis, redis_url: str
) -> None:
    base = replace(harness.base(), origin="api", owner="ada", refresh_schedule="0 * * * *")
    await create_base(harness.pool, base, [])
    unheard = Notifications(KnowledgeSettings(database_url=database, auth_mode="dev"))
    reconciler = Reconciler(
        harness.pool, redis_url, unheard, instance="test", lease_ttl_seconds=3, interval_seconds=0.1
    )
    keeping = asyncio.create_task(reconciler.run())
    try:
        for _ in range(2):
            await eventually(lambda: redis.zscore("bull:kb-sync:repeat", "kb-sync-handbook"))
            await redis.flushdb()
        await eventually(lambda: redis.zscore("bull:kb-sync:repeat", "kb-sync-handbook"))
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
