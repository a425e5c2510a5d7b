"""What a job of ``kb-sync`` does: find its base, sync it, and return what the Node application expects."""

import time
from datetime import UTC, datetime
from typing import Any

import structlog
from bullmq import Job  # type: ignore[import-untyped]
from redis.exceptions import RedisError

from backbone.leases import LeaseLost
from knowledge.bases.records import KnowledgeBase
from knowledge.jobs.wire import JobData, parse_job
from knowledge.queue.coverage import list_covered, take_answer
from knowledge.queue.others import sync_id_of_job
from knowledge.queue.worker import Postponed
from knowledge.registry.registration import register_from_job
from knowledge.requests.rules import sync_id_of
from knowledge.schedules.rules import due_at
from knowledge.sync import metrics
from knowledge.sync.progress import Progress
from knowledge.sync.records import SyncRun
from knowledge.sync.use_cases import sync_base
from knowledge.sync.wire import job_result_of
from knowledge.sync.work import SyncDeps
from knowledge.waiting.later import Later

log = structlog.get_logger()


async def run_job(deps: SyncDeps, job: Job, *, jitter_seconds: float = 0) -> dict[str, Any]:
    """Run the sync that ``job`` requests. Raises as :func:`knowledge.sync.use_cases.sync_base` does,
    ``Invalid`` for a job that isn't understood, ``NotFound`` if its base was deleted, and ``Postponed`` for a
    scheduled run that is due up to ``jitter_seconds`` later."""
    data = parse_job(job.name, job.data)
    sync_id = sync_id_of_job(str(job.id), job.timestamp)
    now_ms = int(time.time() * 1000)
    due = due_at(str(job.id), job.opts or {}, data.knowledge_base_id, jitter_seconds, now_ms)
    if due is not None:
        raise Postponed(due)
    ours = sync_id_of(str(job.id)) is not None
    covers = await list_covered(deps.pool, job, data, sync_id)
    base = await register_from_job(
        deps.pool,
        data.base(),
        added_at=datetime.fromtimestamp(job.timestamp / 1000, UTC),
        known_only=ours or data.registered,
    )
    await _warn_of_difference(job, data, base)
    run = SyncRun(
        id=sync_id,
        base=base,
        mode=data.mode,
        reason="schedule" if job.repeatJobKey else "job",
        job_id=str(job.id),
        confirm_removal=data.confirm_removal,
        attempt=job.attemptsMade + 1,
        covers=covers,
    )
    answered = await take_answer(deps.pool, run, int((job.opts or {}).get("attempts") or 1))
    if answered is not None:
        return job_result_of(answered)

    async def watch(progress: Progress) -> None:
        try:
            await job.updateProgress(progress.to_json())
        except (TypeError, RedisError, OSError) as error:  # TypeError: the job was removed meanwhile
            log.warning("progress not shown in the job", job=job.id, error=repr(error))

    started = time.monotonic()
    try:
        result = await sync_base(deps, run, watch)
    except (Later, LeaseLost):
        raise
    except Exception:
        metrics.SYNCS.labels("failed").inc()
        raise
    metrics.SYNCS.labels(result.type).inc()
    metrics.SYNC_SECONDS.observe(time.monotonic() - started)
    metrics.CHUNKS_WRITTEN.inc(result.chunks_created)
    return job_result_of(result)


async def _warn_of_difference(job: Job, data: JobData, base: KnowledgeBase) -> None:
    """Note in the job's log that the registry's definition was used instead of the job's."""
    wanted = data.base()
    if (base.source, base.version) != (wanted.source, wanted.version):
        message = f"{base.id} is defined by {base.origin}: {base.source} (version {base.version}) is synced"
        log.warning("job differs from the registry", job=job.id, knowledge_base=base.id, used=base.source)
        await job.log(message)
