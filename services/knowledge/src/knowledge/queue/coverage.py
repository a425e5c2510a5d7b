"""Requests that a run has answered before it was their turn.

A run knows what was requested before it looked at its source: it shows all of that, too. So of many requests
for one base one runs, and one behind it for those that came meanwhile. Each keeps its sync, its job, its
result and its fact.
"""

from collections.abc import Sequence
from uuid import UUID

import structlog
from bullmq import Job  # type: ignore[import-untyped]

from common.errors import PermanentError, TransientError
from common.postgres import Pool, transaction, tried_again
from knowledge.bases import facts as base_facts
from knowledge.bases.repository import update_sequence
from knowledge.jobs.wire import JobData
from knowledge.queue import repository
from knowledge.queue.others import list_waiting_alike
from knowledge.queue.records import Answer
from knowledge.sync import facts
from knowledge.sync.applying import MOST_PATHS
from knowledge.sync.records import SyncResult, SyncRun
from knowledge.sync.repository import update_waiting_reason
from knowledge.sync.wire import result_of_history

log = structlog.get_logger()


class AnsweredFailed(PermanentError):
    """A run that also stood for this request failed, and this request has no attempt left."""

    default_code = "sync_failed"


async def list_covered(pool: Pool, job: Job, data: JobData, sync_id: UUID) -> Sequence[UUID]:
    """The syncs, requested by now, that a run of ``job`` does as well. Call it before the base is read."""
    async with pool.acquire() as connection:
        ours = await repository.list_waiting(
            connection,
            data.knowledge_base_id,
            sync_id,
            full=data.mode == "full",
            confirm_removal=data.confirm_removal,
        )
    return [*ours, *await list_waiting_alike(job, data)]


async def take_answer(pool: Pool, run: SyncRun, attempts: int) -> SyncResult | None:
    """The result of a run that also stood for this one, recorded as this sync's; ``None``: it has to run.

    A run that failed counts as one attempt of this one's job, of ``attempts`` in all. Raises
    ``TransientError`` for it, or :class:`AnsweredFailed` if it was the last or would fail again.
    """
    async with pool.acquire() as connection:
        answer = await repository.get_answer(connection, run.base.id, run.id, run.attempt - 1)
        if answer is None:
            return None
        result = result_of_history(answer.result)
        if answer.error is None and result is None:
            return None
        if answer.error is not None and run.attempt < attempts and not answer.permanent:
            await update_waiting_reason(connection, run.id, answer.error)
            raise TransientError(answer.error, code="sync_failed")
    try:
        await _record(pool, run, answer, result)
    except _OutcomeKnown:
        return None
    log.info("sync answered by another run", knowledge_base=run.base.id, sync=run.id, run=answer.run_id)
    if answer.error is not None:
        raise AnsweredFailed(answer.error)
    return result


class _OutcomeKnown(Exception):
    """The sync runs, or has ended, meanwhile."""


@tried_again
async def _record(pool: Pool, run: SyncRun, answer: Answer, result: SyncResult | None) -> None:
    """Record ``answer`` as this sync's outcome, with the run that it came from. Raises ``NotFound`` if the
    base was deleted."""
    fact = (
        facts.completed(run.id, run.base, result)
        if result is not None and answer.error is None
        else facts.failed(run.id, run.base.id, answer.error or "", _failed_paths(answer))
    )
    async with transaction(pool) as connection:
        sequence = await update_sequence(connection, run.base.id)
        if not await repository.upsert_answered(connection, run, answer):
            raise _OutcomeKnown
        await base_facts.append(connection, run.base.id, fact, sequence)


def _failed_paths(answer: Answer) -> list[str]:
    files = (answer.files or {}).get("files", [])
    return [file["path"] for file in files if file["outcome"] == "failed"][:MOST_PATHS]
