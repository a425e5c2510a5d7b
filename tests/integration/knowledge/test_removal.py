"""Deletion against syncs that run, jobs that wait and schedules that fire; histories of syncs that failed."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from bullmq import Queue  # type: ignore[import-untyped]
from redis.asyncio import Redis

from common.errors import NotFound, TransientError
from common.postgres import create_pool, transaction
from knowledge.bases import repository as bases
from knowledge.bases.records import KnowledgeBase
from knowledge.content import repository as content_repository
from knowledge.embeddings import Vectors
from knowledge.history import repository as history_repository
from knowledge.history.wire import sync_json
from knowledge.queue.jobs import run_job
from knowledge.queue.worker import Postponed
from knowledge.registry.registration import register_from_job
from knowledge.registry.removal import remove
from knowledge.registry.seeding import seed
from knowledge.registry.use_cases import change_base, create_base, delete_base
from knowledge.schedules import rules
from knowledge.schedules.reconciler import reconcile
from knowledge.settings import KnowledgeSettings
from knowledge.sync.records import SyncRun
from knowledge.sync.use_cases import FilesUnreadable, sync_base
from tests.integration.knowledge.conftest import CountingEmbedder, Harness
from tests.support.github import Answer
from tests.support.wait import eventually

KEY = "bull:kb-sync:repeat:kb-sync-handbook"


class WaitingEmbedder(CountingEmbedder):
    """Says when it is asked, and answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def embed(self, texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        self.asked.set()
        await self.may.wait()
        return await super().embed(texts, urgent=urgent)


@pytest.fixture
async def queue(redis: Redis) -> Any:
    return Queue("kb-sync", {"connection": redis})


def owned(harness: Harness, **more: Any) -> KnowledgeBase:
    return replace(harness.base(), origin="api", owner="ada", public=False, **more)


async def test_a_base_that_is_deleted_in_the_middle_of_its_sync_stays_deleted(harness: Harness) -> None:
    base = owned(harness)
    await create_base(harness.pool, base, [])
    embedder = WaitingEmbedder()

    async def watch(_: Any) -> None: ...

    run = SyncRun(uuid4(), base, "full", "http", "1")
    running = asyncio.create_task(sync_base(harness.with_embedder(embedder), run, watch))
    await asyncio.wait_for(embedder.asked.wait(), 10)
    await delete_base(harness.pool, "handbook", "ada")
    embedder.may.set()
    with pytest.raises(NotFound, match="was deleted"):
        await running
    assert await harness.content() == []
    assert await harness.commit_of() is None
    assert (await harness.facts())[-1]["data"]["deleted"]


async def test_a_deletion_waits_for_no_more_than_the_lock_timeout(harness: Harness, database: str) -> None:
    """While a sync writes its rows, which may take minutes, the deletion is refused and changes nothing."""
    await create_base(harness.pool, owned(harness), [])
    settings = KnowledgeSettings(database_url=database, auth_mode="dev", lock_timeout_seconds=0.1)
    async with await create_pool(settings) as pool, transaction(harness.pool) as writing:
        await content_repository.lock_base(writing, "handbook")
        with pytest.raises(TransientError, match="try again"):
            await delete_base(pool, "handbook", "ada")
        assert await bases.get_base(writing, "handbook") is not None
    await delete_base(harness.pool, "handbook", "ada")


async def test_a_job_from_before_the_deletion_brings_nothing_back(harness: Harness) -> None:
    wanted = harness.base()
    before = datetime.now(UTC) - timedelta(seconds=1)
    await register_from_job(harness.pool, wanted, added_at=before)
    await remove(harness.pool, "handbook", lambda _: None)
    with pytest.raises(NotFound, match="deleted after this job"):
        await register_from_job(harness.pool, wanted, added_at=before)
    with pytest.raises(NotFound):
        await register_from_job(harness.pool, wanted, known_only=True)
    later = datetime.now(UTC) + timedelta(seconds=5)
    assert (await register_from_job(harness.pool, wanted, added_at=later)).origin == "job"
    sequences = [fact["sequence"] for fact in await harness.facts()]
    assert sequences == [1, 2, 3]


async def test_schedulers_follow_the_registry(harness: Harness, queue: Any, redis: Redis) -> None:
    base = owned(harness, refresh_schedule="0 * * * *")
    await create_base(harness.pool, base, [])
    # As the Node application makes it, under the same key: there is one schedule, and ours.
    await queue.upsertJobScheduler("kb-sync-handbook", {"pattern": "5 5 * * *"}, "sync", {}, {})
    other: tuple[Any, ...] = ("kb-sync-other", {"pattern": "5 5 * * *"}, "sync", {"a": 1}, {})
    await queue.upsertJobScheduler(*other)
    assert await reconcile(harness.pool, queue) == 1
    assert await reconcile(harness.pool, queue) == 0
    scheduler = await queue.getJobScheduler("kb-sync-handbook")
    assert (scheduler["name"], scheduler["pattern"]) == ("sync", "0 * * * *")
    assert scheduler["next"] % 3_600_000 == 0
    assert scheduler["template"]["data"] == rules.scheduled_data_of(base)
    assert scheduler["template"]["opts"] == {
        "removeOnComplete": {"count": 100},
        "removeOnFail": {"count": 50},
    }
    assert await redis.zcard("bull:kb-sync:delayed") == 2

    # A next run that was lost is created again, and a changed definition is followed.
    await redis.delete(f"{KEY}:{scheduler['next']}")
    await redis.zrem("bull:kb-sync:delayed", f"repeat:kb-sync-handbook:{scheduler['next']}")
    assert await reconcile(harness.pool, queue) == 1
    assert await redis.zcard("bull:kb-sync:delayed") == 2
    await change_base(harness.pool, "handbook", "ada", lambda known: replace(known, version="2"), [])
    assert await reconcile(harness.pool, queue) == 1
    assert (await queue.getJobScheduler("kb-sync-handbook"))["template"]["data"]["version"] == "2"

    await change_base(
        harness.pool, "handbook", "ada", lambda known: replace(known, refresh_schedule=None), []
    )
    assert await reconcile(harness.pool, queue) == 1
    await change_base(
        harness.pool, "handbook", "ada", lambda known: replace(known, refresh_schedule="1 * * * *"), []
    )
    assert await reconcile(harness.pool, queue) == 1
    await delete_base(harness.pool, "handbook", "ada")
    assert await reconcile(harness.pool, queue) == 1
    assert [scheduler["key"] for scheduler in await queue.getJobSchedulers()] == ["kb-sync-other"]
    assert await harness.pool.fetchval("SELECT count(*) FROM knowledge_retired_schedules") == 0


async def test_a_scheduled_run_waits_for_its_jitter_and_says_who_asked(
    harness: Harness, queue: Any, redis: Redis
) -> None:
    base = replace(owned(harness), refresh_schedule="* * * * *")
    await create_base(harness.pool, base, [])
    await reconcile(harness.pool, queue)
    from bullmq import Job

    [scheduler] = await queue.getJobSchedulers()
    job = await Job.fromId(queue, f"repeat:kb-sync-handbook:{scheduler['next']}")
    minute = int(time.time() * 1000)
    job.id = f"repeat:kb-sync-handbook:{minute}"
    with pytest.raises(Postponed) as postponed:
        await run_job(harness.deps, job, jitter_seconds=30)
    assert postponed.value.until_ms == minute + rules.jitter_ms("handbook", 30)
    job.id = f"repeat:kb-sync-handbook:{minute - 60_000}"
    assert (await run_job(harness.deps, job, jitter_seconds=30))["type"] == "full"
    async with harness.pool.acquire() as connection:
        [scheduled, _] = sorted(
            await history_repository.list_syncs(connection, "handbook", 9), key=lambda s: s.status
        )
    assert (scheduled.reason, scheduled.status) == ("schedule", "completed")
    await delete_base(harness.pool, "handbook", "ada")
    job.timestamp += 60_000
    with pytest.raises(NotFound):
        await run_job(harness.deps, job)


async def test_the_settings_file_takes_its_id_back_without_the_user_s_content(harness: Harness) -> None:
    await create_base(harness.pool, owned(harness), [])
    await harness.sync(owned(harness))
    assert await harness.content()
    await seed(harness.pool, [replace(harness.base(), origin="settings")])
    assert await harness.content() == []
    async with harness.pool.acquire() as connection:
        base = await bases.get_base(connection, "handbook")
        [asked] = await history_repository.list_syncs(connection, "handbook", 9)
    assert base is not None
    assert (base.owner, base.public, base.origin, asked.reason) == (None, True, "settings", "startup")


async def test_the_history_tells_what_became_of_each_file(harness: Harness) -> None:
    harness.repository.write("docs/photo.md", b"\x00\x01\x02")
    harness.repository.commit()
    harness.github.fault = lambda target: Answer(403, b"no") if "levers.md" in target else None
    with pytest.raises(FilesUnreadable):
        await harness.sync()
    async with harness.pool.acquire() as connection:
        [record] = await history_repository.list_syncs(connection, "handbook", 9)
    shown: Any = sync_json(record)
    assert (shown["state"], shown["trigger"]) == ("failed", "job")
    assert "docs/deep/levers.md" in shown["error"]
    outcomes = {file["path"]: (file["outcome"], file["change"]) for file in shown["files"]}
    assert outcomes["docs/deep/levers.md"] == ("failed", None)
    assert outcomes["docs/photo.md"][0] == "unsupported"
    assert outcomes["docs/start.md"] == ("indexed", "added")
    assert all(file["reason"] for file in shown["files"][:2])
    assert shown["progress"]["filesRead"] == 3
    assert (await eventually(lambda: shown["finishedAt"])).endswith("Z")
