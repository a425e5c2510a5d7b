"""The registry's schedule replaces the repeatable that the Node application made for a base."""

from dataclasses import replace
from typing import Any

import pytest
from bullmq import Queue  # type: ignore[import-untyped]
from redis.asyncio import Redis

from common.postgres import create_pool, transaction
from knowledge.jobs.wire import parse_job
from knowledge.registry.registration import register
from knowledge.registry.removal import remove
from knowledge.schedules.reconciler import reconcile
from knowledge.settings import KnowledgeSettings
from tests.interop.bullmq.sides import NODE_5_66, Peer

DATA: dict[str, Any] = {
    "knowledgeBaseId": "handbook",
    "version": "latest",
    "source": "https://github.com/acme/handbook",
}
OPTIONS: dict[str, Any] = {"removeOnComplete": {"count": 100}, "removeOnFail": {"count": 50}}


@pytest.mark.parametrize("version", [NODE_5_66], ids=str)
async def test_a_legacy_repeatable_becomes_the_registry_s_scheduler(
    peer: Peer, redis: Redis, database: str
) -> None:
    hourly = {"pattern": "0 * * * *", "key": "kb-sync-handbook"}
    await peer.add(DATA, repeat=hourly, **OPTIONS)
    await peer.add({**DATA, "knowledgeBaseId": "other"}, repeat={**hourly, "key": "kb-sync-other"}, **OPTIONS)
    base = replace(parse_job("sync", DATA).base(), origin="settings", refresh_schedule="0 * * * *")
    queue = Queue("kb-sync", {"connection": redis})
    settings = KnowledgeSettings(database_url=database, auth_mode="dev")
    async with await create_pool(settings) as pool:
        async with transaction(pool) as connection:
            await register(connection, base)
        assert await reconcile(pool, queue) == 1
        assert await redis.zcard("bull:kb-sync:repeat") == 2, "replaced, not doubled"
        assert await redis.zcard("bull:kb-sync:delayed") == 2
        assert "handbook" in (await redis.hget("bull:kb-sync:repeat:kb-sync-handbook", "data") or "")
        [ours] = [found for found in await peer.schedulers() if found["key"] == "kb-sync-handbook"]
        assert (ours["pattern"], ours["template"]["opts"]) == ("0 * * * *", OPTIONS)
        assert ours["template"]["data"].items() >= DATA.items()

        # The application starts again and adds its own once more: still one, and ours after the next round.
        await peer.add(DATA, repeat=hourly, **OPTIONS)
        assert await redis.zcard("bull:kb-sync:repeat") == 2
        await reconcile(pool, queue)
        assert await reconcile(pool, queue) == 0
        assert await redis.zcard("bull:kb-sync:delayed") == 2

        await remove(pool, "handbook", lambda _: None)
        assert await reconcile(pool, queue) == 1
        assert [found["key"] for found in await peer.queue("getRepeatableJobs")] == ["kb-sync-other"]
