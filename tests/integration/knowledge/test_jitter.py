"""A scheduled job through BullMQ: it starts at its base's own moment, and delays nobody until then."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from bullmq import Job, Queue  # type: ignore[import-untyped]
from redis.asyncio import Redis

from knowledge.queue.jobs import run_job
from knowledge.registry.use_cases import create_base
from knowledge.schedules import rules
from knowledge.schedules.reconciler import reconcile
from tests.integration.knowledge.conftest import Harness
from tests.integration.knowledge.test_worker import working
from tests.support.knowledge import Jobs

HOUR_MS = 3_600_000
AHEAD_MS = 6_000
"""How far ahead the base's moment is when its job is taken up: another job has time to begin meanwhile."""


async def test_a_scheduled_job_waits_for_its_moment_while_its_only_worker_syncs_others(
    harness: Harness, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour = int(time.time()) * 1000 // HOUR_MS * HOUR_MS
    base_id = "base"
    due: int | None = None
    base = replace(harness.base(base_id), origin="api", owner="ada", public=True)
    await create_base(harness.pool, replace(base, refresh_schedule="0 * * * *"), [])
    queue = Queue("kb-sync", {"connection": redis})
    with monkeypatch.context() as earlier:  # the schedule was made in the hour before
        earlier.setattr("bullmq.job_scheduler.time", SimpleNamespace(time=lambda: hour / 1000 - 1))
        await reconcile(harness.pool, queue)
    scheduled = f"repeat:{rules.key_of(base_id)}:{hour}"
    jobs, begun = Jobs(redis), list[str]()
    other: str | None = None

    async def handle(job: Job) -> dict[str, Any]:
        nonlocal due, other
        begun.append(job.data["knowledgeBaseId"])
        if other is None:
            source = harness.github.source("docs")
            other = await jobs.add({"knowledgeBaseId": "other", "version": "latest", "source": source})
            due = int(time.time() * 1000) + AHEAD_MS
        assert due is not None
        return await run_job(harness.deps, job, jitter_seconds=window_of(base_id, due - hour))

    async with working(redis_url, handle, concurrency=1):
        outcome = await jobs.finished(scheduled)
    assert outcome["state"] == "completed", outcome
    assert begun == [base_id, "other", base_id], "the other's job came later, and was done first"
    rows = await harness.pool.fetch(
        "SELECT * FROM knowledge_syncs WHERE started_at IS NOT NULL ORDER BY started_at"
    )
    first, second = ({**row, "start": row["started_at"].timestamp() * 1000} for row in rows)
    assert (first["knowledge_base_id"], first["reason"]) == ("other", "job")
    assert (second["knowledge_base_id"], second["reason"]) == (base_id, "schedule")
    assert due is not None
    assert second["start"] >= due
    assert first["finished_at"] <= second["started_at"]
    job = await Job.fromId(queue, scheduled)
    assert job.attemptsMade == 1, "to be put off is no attempt"
    assert await redis.zcard("bull:kb-sync:delayed") == 1, "one next run, although it was taken up twice"


def window_of(base_id: str, delay_ms: int) -> float:
    """Seconds over which runs are spread, for this base's to begin so long after the hour."""
    place = rules.jitter_ms(base_id, 2**32 / 1000)
    assert place > 2 * delay_ms
    window_ms = place - delay_ms
    assert rules.jitter_ms(base_id, (window_ms + 0.5) / 1000) == delay_ms
    return (window_ms + 0.5) / 1000
