"""A process that was frozen past its lease changes nothing: neither rows, nor outcomes, nor facts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from bullmq import Queue  # type: ignore[import-untyped]
from redis.asyncio import Redis

from backbone import leases
from backbone.leases import LeaseLost
from common.errors import TransientError
from knowledge.content.lease import hold_base
from knowledge.embeddings import Vectors
from knowledge.queue.lost_jobs import settle_lost
from knowledge.registry.registration import register_from_job
from knowledge.sync import applying, reporting, repository, use_cases
from knowledge.sync.records import SyncResult, SyncRun
from knowledge.sync.use_cases import sync_base
from tests.integration.knowledge.conftest import CountingEmbedder, Harness

EXPIRE = "UPDATE leases SET expires_at = '-infinity' WHERE name LIKE 'knowledge.sync:%'"


class InterruptedEmbedder(CountingEmbedder):
    """``before`` runs before the first answer."""

    def __init__(self, before: Callable[[], Awaitable[Any]]) -> None:
        super().__init__()
        self._before: Callable[[], Awaitable[Any]] | None = before

    async def embed(self, texts: Sequence[str], *, urgent: bool = False, once: bool = False) -> Vectors:
        if before := self._before:
            self._before = None
            await before()
        return await super().embed(texts, urgent=urgent)


async def watch(_: Any) -> None:
    return None


@pytest.mark.parametrize(
    "moment",
    ["_start", "embed", "finish_unchanged", "finish_failed", "apply"],
    ids=lambda name: name.strip("_"),
)
async def test_a_frozen_sync_that_was_overtaken_writes_nothing(harness: Harness, moment: str) -> None:
    """The process freezes in ``moment``. The same job, given to another worker like a stalled one, runs to
    its end meanwhile."""
    if moment == "finish_unchanged":
        await harness.sync()
    base = await register_from_job(harness.pool, harness.base())
    run = SyncRun(uuid4(), base, "incremental", "job", "1")
    after_the_other: list[Any] = []

    async def told() -> list[Any]:
        row = await harness.pool.fetchrow("SELECT * FROM knowledge_syncs WHERE id = $1", run.id)
        assert row is not None
        return [dict(row), await harness.facts(), await harness.content(), await harness.commit_of()]

    async def freeze() -> None:
        if not after_the_other:
            after_the_other.append("the other one doesn't freeze")
            await harness.pool.execute(EXPIRE)
            assert isinstance(await sync_base(harness.deps, run, watch), SyncResult)
            after_the_other[:] = await told()

    embedder = InterruptedEmbedder(freeze) if moment == "embed" else CountingEmbedder()
    if moment == "finish_failed":
        embedder.failures.append(TransientError("the embedder is away"))
    # A frozen process renews nothing and reports nothing, however long the other one takes.
    deps = replace(harness.with_embedder(embedder), lease_ttl_seconds=600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "INTERVAL_SECONDS", 600)
        if moment != "embed":
            module = use_cases if moment == "_start" else applying
            real = getattr(module, moment)

            async def frozen(*args: Any, **kwargs: Any) -> Any:
                await freeze()
                return await real(*args, **kwargs)

            patch.setattr(module, moment, frozen)
        with pytest.raises(LeaseLost, match="taken over"):
            await sync_base(deps, run, watch)
    assert after_the_other[0]["status"] == "completed"
    assert await told() == after_the_other


async def test_a_sync_that_is_overtaken_pays_for_nothing_more(harness: Harness) -> None:
    """Also while it waits for its source or its embedder."""
    asked = asyncio.Event()

    async def wait_for_ever() -> None:
        asked.set()
        await asyncio.Event().wait()

    embedder = InterruptedEmbedder(wait_for_ever)
    deps = replace(harness.with_embedder(embedder), lease_ttl_seconds=0.3)
    running = asyncio.create_task(harness.sync(deps=deps))
    await asyncio.wait_for(asked.wait(), 10)
    await harness.pool.execute("UPDATE leases SET epoch = epoch + 1 WHERE name = 'knowledge.sync:handbook'")
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(running, 10)
    assert embedder.texts == 0


async def test_a_sync_whose_lease_can_t_be_renewed_stops_and_says_why(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise nobody would know that it still works, and it would continue to buy embeddings."""

    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(leases, "RENEW", "SELECT renewed($1::text, $2::bigint, $3::interval)")
    embedder = InterruptedEmbedder(wait_for_ever)
    deps = replace(harness.with_embedder(embedder), lease_ttl_seconds=0.3)
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await asyncio.wait_for(harness.sync(deps=deps), 10)
    assert embedder.texts == 0
    [(status, error)] = await harness.pool.fetch("SELECT status, error FROM knowledge_syncs")
    assert (status, "UndefinedFunctionError" in error) == ("failed", True)


async def test_a_job_that_is_given_up_takes_the_lease_of_whoever_is_frozen_in_it(
    harness: Harness, redis: Redis
) -> None:
    queue = Queue("kb-sync", {"connection": redis})
    base = await register_from_job(harness.pool, harness.base())
    sync_id = uuid4()
    async with hold_base(harness.pool, base.id, "a worker", 3) as held:
        async with harness.pool.acquire() as connection:
            await repository.upsert_started(connection, SyncRun(sync_id, base, "full", "job", "12"), None)
        assert await settle_lost(harness.pool, queue, timedelta(0)) == 0, "it is running"
        await held.stop_renewing()
        await harness.pool.execute(EXPIRE)
        assert await settle_lost(harness.pool, queue, timedelta(0)) == 1
        with pytest.raises(LeaseLost):
            await applying.finish_unchanged(
                harness.pool, held.lease, sync_id, base, SyncResult("skipped", "0" * 40)
            )
    assert await harness.pool.fetchval("SELECT status FROM knowledge_syncs") == "failed"
    assert [fact["type"] for fact in await harness.facts()][-1] == "knowledge.sync.failed.v1"
