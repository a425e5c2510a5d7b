"""SQL of syncs whose job is checked. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from common.postgres import Connection
from knowledge.queue.records import Answer
from knowledge.requests.records import SyncRequest
from knowledge.sync.records import SyncRun

LIST_UNFINISHED = """
SELECT id, knowledge_base_id, mode, reason, job_id, traceparent, tracestate, baggage,
       coalesce(confirm_removal, false) AS confirm_removal
FROM knowledge_syncs
WHERE status IN ('queued', 'running') AND coalesce(started_at, created_at) < clock_timestamp() - $1::interval
ORDER BY created_at LIMIT $2
"""


async def list_unfinished(connection: Connection, older_than: timedelta, limit: int) -> Sequence[SyncRequest]:
    """Unfinished syncs that were queued or started longer ago than that."""
    rows = await connection.fetch(LIST_UNFINISHED, older_than, limit)
    return [SyncRequest(**dict(row)) for row in rows]


UPDATE_REQUESTED = """
UPDATE knowledge_syncs SET status = 'requested', error = $2
WHERE id = $1 AND status IN ('queued', 'running') AND error IS DISTINCT FROM $2
"""


async def update_requested(connection: Connection, sync_id: UUID, why: str) -> bool:
    """Turn an unfinished sync into a request again. Not twice for the same ``why``, unless it has started
    meanwhile. Returns whether it did."""
    return await connection.execute(UPDATE_REQUESTED, sync_id, why) == "UPDATE 1"


IS_UNFINISHED = """
SELECT EXISTS (SELECT FROM knowledge_syncs WHERE id = $1 AND status IN ('queued', 'running'))
"""


async def is_unfinished(connection: Connection, sync_id: UUID) -> bool:
    """Whether the sync still counts as queued or running."""
    return bool(await connection.fetchval(IS_UNFINISHED, sync_id))


LIST_WAITING = """
SELECT id FROM knowledge_syncs
WHERE knowledge_base_id = $1 AND status IN ('requested', 'queued') AND id <> $2
  AND (mode = 'incremental' OR $3) AND (confirm_removal IS NOT TRUE OR $4)
ORDER BY created_at LIMIT $5
"""


async def list_waiting(
    connection: Connection, base_id: str, but: UUID, *, full: bool, confirm_removal: bool, limit: int = 1000
) -> Sequence[UUID]:
    """Syncs of the base, without ``but``, that wait to run, and want no more than these."""
    rows = await connection.fetch(LIST_WAITING, base_id, but, full, confirm_removal, limit)
    return [row["id"] for row in rows]


GET_ANSWER = """
SELECT run.id AS run_id, run.result, run.error, run.files, coalesce(run.permanent, false) AS permanent
FROM knowledge_syncs AS run
WHERE run.knowledge_base_id = $1 AND run.covers @> ARRAY[$2::uuid]
  AND (run.status = 'completed' OR (run.status = 'failed' AND (run.permanent OR run.attempt > $3)))
  AND NOT EXISTS (SELECT FROM knowledge_syncs AS own
                  WHERE own.id = $2 AND own.status NOT IN ('requested', 'queued'))
ORDER BY run.status = 'completed' DESC, run.finished_at DESC LIMIT 1
"""


async def get_answer(
    connection: Connection, base_id: str, sync_id: UUID, attempts_made: int
) -> Answer | None:
    """The end of a run of the base that covers a sync without an outcome of its own. A run that failed counts
    unless the sync's job has made as many attempts."""
    row = await connection.fetchrow(GET_ANSWER, base_id, sync_id, attempts_made)
    return Answer(**dict(row)) if row else None


UPSERT_ANSWERED = """
INSERT INTO knowledge_syncs AS sync (id, knowledge_base_id, mode, reason, job_id, confirm_removal, status,
                                     result, error, files, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET status = excluded.status, result = excluded.result, error = excluded.error,
    files = excluded.files, finished_at = excluded.finished_at
WHERE sync.status IN ('requested', 'queued')
"""


async def upsert_answered(connection: Connection, run: SyncRun, answer: Answer) -> bool:
    """Record ``answer`` as the outcome of a sync that didn't run itself. Returns whether it had none."""
    done: str = await connection.execute(
        UPSERT_ANSWERED,
        run.id,
        run.base.id,
        run.mode,
        run.reason,
        run.job_id,
        run.confirm_removal,
        "completed" if answer.error is None else "failed",
        {**(answer.result or {}), "coveredBy": str(answer.run_id)},
        answer.error,
        answer.files,
    )
    return done == "INSERT 0 1"
