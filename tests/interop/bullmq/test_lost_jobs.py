"""Syncs whose job disappears from the queue: none stays queued or running permanently."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from common.errors import Invalid
from common.notifications import Notifications
from common.postgres import Pool, create_pool
from knowledge.bases.repository import get_base
from knowledge.queue.dispatcher import Dispatcher
from knowledge.queue.worker import QueueWorker
from knowledge.requests.records import Reason
from knowledge.requests.use_cases import request_sync
from knowledge.settings import KnowledgeSettings
from knowledge.sync import repository
from knowledge.sync.records import SyncRun
from tests.interop.bullmq.sides import NODE_5_66, Ours, finished, node_application
from tests.support.node import Node
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A database with one base."""
    async with await create_pool(KnowledgeSettings(database_url=database, auth_mode="dev")) as pool:
        await pool.execute(
            "INSERT INTO knowledge_bases (id, name, source, origin) "
            "VALUES ('guide', 'Guide', 'https://github.com/acme/guide', 'api')"
        )
        yield pool


async def ask(pool: Pool, reason: Reason = "http") -> str:
    """Request a sync of the base. Returns its job's id."""
    async with pool.acquire() as connection, connection.transaction():
        return await request_sync(connection, "guide", reason=reason)


async def status_of(pool: Pool, job_id: str) -> tuple[str, str | None]:
    row = await pool.fetchrow("SELECT status, error FROM knowledge_syncs WHERE job_id = $1", job_id)
    assert row is not None
    return row["status"], row["error"]


async def test_jobs_that_a_resume_through_bullmq_5_lost_are_added_again(
    database: str, redis_url: str, pool: Pool, node: Node, ours: Ours, redis: Redis
) -> None:
    async with dispatching(database, redis_url, pool), node_application(node, redis_url, NODE_5_66) as peer:
        await peer.queue("pause")
        theirs = await peer.add({})
        asked = await ask(pool)
        await eventually(lambda: ours.snapshot(asked))
        await peer.queue("resume")
        assert await redis.lrange("bull:kb-sync:wait", 0, -1) == [theirs], "ours is in no list any more"

        async def back() -> bool:
            return asked in await redis.lrange("bull:kb-sync:wait", 0, -1)

        await eventually(back)
        await ours.work()
        job = await finished(ours, asked)
        assert job["state"] == "completed", job["failedReason"]
        assert [run["id"] for run in await ours.runs()].count(asked) == 1


async def test_jobs_that_redis_forgot_are_added_again(
    database: str, redis_url: str, pool: Pool, ours: Ours, redis: Redis
) -> None:
    async with dispatching(database, redis_url, pool):
        asked = await ask(pool)
        first = await eventually(lambda: ours.snapshot(asked))
        await redis.flushall()
        second = await eventually(lambda: ours.snapshot(asked))
        assert first is not None
        assert second is not None
        assert (second["data"], second["opts"]["removeOnComplete"]) == (first["data"], {"count": 100})
        await redis.flushall()

        async def unknown() -> bool:
            status, error = await status_of(pool, asked)
            return status == "failed" and "the outcome is unknown" in (error or "")

        await eventually(unknown)
        assert await ours.snapshot(asked) is None, "once, not without end"


@pytest.mark.parametrize("reason", ["http", "startup"])
async def test_a_job_that_node_did_is_recorded(
    database: str, redis_url: str, pool: Pool, node: Node, redis: Redis, reason: Reason
) -> None:
    """Also a job that leaves the queue when it is done: the queue's events report its outcome."""
    result = {"type": "full", "sha": "a" * 40, "added": 1, "modified": 2, "removed": 3, "chunksCreated": 4}
    async with dispatching(database, redis_url, pool), node_application(node, redis_url, NODE_5_66) as peer:
        await peer.work(returns=result)
        asked = await ask(pool, reason)

        async def done() -> bool:
            return await status_of(pool, asked) == ("completed", None)

        await eventually(done)
        assert await redis.exists(f"bull:kb-sync:{asked}") == (reason == "http")
        assert [run["id"] for run in await peer.runs()] == [asked]
    recorded = await pool.fetchval("SELECT result FROM knowledge_syncs WHERE job_id = $1", asked)
    assert recorded == {**recorded, **result}
    facts = await pool.fetch("SELECT type, data::jsonb AS data FROM outbox WHERE subject = 'guide'")
    assert [fact["type"] for fact in facts] == ["knowledge.sync.completed.v1"]
    assert facts[0]["data"]["sha"] == "a" * 40


async def test_a_job_that_bullmq_gave_up_is_told_as_failed(
    database: str, redis_url: str, pool: Pool, ours: Ours
) -> None:
    """Here the job fails before its sync has begun; one that ended all its workers looks the same."""

    async def handle(_: Any) -> dict[str, Any]:
        raise Invalid("no such source")

    worker = asyncio.create_task(QueueWorker(redis_url, handle, concurrency=1, grace_seconds=2).run())
    async with dispatching(database, redis_url, pool):
        asked = await ask(pool)

        async def failed() -> bool:
            return await status_of(pool, asked) == ("failed", "no such source")

        await eventually(failed)
    worker.cancel()
    with suppress(asyncio.CancelledError):
        await worker
    facts = await pool.fetch("SELECT type, data::jsonb AS data FROM outbox WHERE subject = 'guide'")
    assert [fact["type"] for fact in facts] == ["knowledge.sync.failed.v1"], "once"
    assert facts[0]["data"]["reason"] == "no such source"


async def test_the_lost_job_of_another_producer_is_told_and_not_added(
    database: str, redis_url: str, pool: Pool, ours: Ours, redis: Redis
) -> None:
    async with pool.acquire() as connection:
        guide = await get_base(connection, "guide")
        assert guide is not None
        await repository.upsert_started(connection, SyncRun(uuid4(), guide, "incremental", "job", "12"), None)
    async with dispatching(database, redis_url, pool):

        async def told() -> bool:
            return await status_of(pool, "12") == ("failed", "its job is no longer in the queue")

        await eventually(told)
    assert await redis.llen("bull:kb-sync:wait") == 0


@asynccontextmanager
async def dispatching(database: str, redis_url: str, pool: Pool) -> AsyncIterator[None]:
    """Our dispatcher, checking syncs that are older than a moment."""
    notifications = Notifications(KnowledgeSettings(database_url=database, auth_mode="dev"))
    dispatcher = Dispatcher(pool, redis_url, notifications, timedelta(milliseconds=300))
    tasks = [asyncio.create_task(each) for each in (notifications.run(), dispatcher.run())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome
