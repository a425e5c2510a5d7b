"""SQL of syncs. Functions take a connection, run one statement and never commit."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from common.postgres import Connection
from knowledge.sync.records import SyncRun

UPSERT_STARTED = """
INSERT INTO knowledge_syncs AS sync
    (id, knowledge_base_id, mode, reason, job_id, traceparent, confirm_removal, covers, attempt, status,
     started_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'running', clock_timestamp())
ON CONFLICT (id) DO UPDATE SET status = 'running', started_at = clock_timestamp(), finished_at = NULL,
    error = NULL, result = NULL, progress = NULL, files = NULL, permanent = NULL, covers = excluded.covers,
    attempt = excluded.attempt
"""


async def upsert_started(connection: Connection, run: SyncRun, traceparent: str | None) -> None:
    """Mark the sync as running, for the first time or again: the results of an earlier run are cleared."""
    await connection.execute(
        UPSERT_STARTED,
        run.id,
        run.base.id,
        run.mode,
        run.reason,
        run.job_id,
        traceparent,
        run.confirm_removal,
        list(run.covers),
        run.attempt,
    )


UPDATE_FINISHED = """
UPDATE knowledge_syncs SET status = $2, result = $3, error = $4, files = $5,
    progress = coalesce($6, progress), permanent = $7, finished_at = clock_timestamp()
WHERE id = $1
"""


async def update_finished(
    connection: Connection,
    sync_id: UUID,
    *,
    result: Mapping[str, Any] | None,
    error: str | None,
    files: Mapping[str, Any] | None = None,
    progress: Mapping[str, Any] | None = None,
    permanent: bool = False,
) -> None:
    """``permanent``: a failed one would fail again. ``files`` as :func:`knowledge.sync.report.report_of`
    builds it; without ``progress`` the last one stays."""
    status = "failed" if error else "completed"
    await connection.execute(UPDATE_FINISHED, sync_id, status, result, error, files, progress, permanent)


UPDATE_WAITING = """
UPDATE knowledge_syncs SET status = 'queued', error = $2, finished_at = NULL WHERE id = $1
"""


async def update_waiting(connection: Connection, sync_id: UUID, reason: str) -> None:
    """Mark the sync as waiting to run again; ``reason`` says when and why."""
    await connection.execute(UPDATE_WAITING, sync_id, reason)


UPDATE_WAITING_REASON = "UPDATE knowledge_syncs SET error = $2 WHERE id = $1 AND status = 'queued'"


async def update_waiting_reason(connection: Connection, sync_id: UUID, reason: str) -> None:
    """Store why a sync that has not started doesn't start."""
    await connection.execute(UPDATE_WAITING_REASON, sync_id, reason)


UPDATE_PROGRESS = "UPDATE knowledge_syncs SET progress = $2 WHERE id = $1 AND status = 'running'"


async def update_progress(connection: Connection, sync_id: UUID, progress: Mapping[str, Any]) -> None:
    """Store the progress of a running sync; no effect once it has ended."""
    await connection.execute(UPDATE_PROGRESS, sync_id, progress)
