"""SQL of syncs. Functions take a connection, run one statement and never commit."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from common.postgres import Connection
from contracts.knowledge import SyncMode
from knowledge.sync.models import (
    FileState,
    Index,
    Reason,
    SyncRecord,
    SyncRequest,
)

INSERT_REQUEST = """
INSERT INTO knowledge_syncs (id, knowledge_base_id, mode, reason, job_id, requested_by, traceparent,
                             tracestate, baggage)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING
"""


async def insert_request(connection: Connection, request: SyncRequest, requested_by: str | None) -> None:
    await connection.execute(
        INSERT_REQUEST,
        request.id,
        request.knowledge_base_id,
        request.mode,
        request.reason,
        request.job_id,
        requested_by,
        request.traceparent,
        request.tracestate,
        request.baggage,
    )


NOTIFY_REQUESTED = "SELECT pg_notify('knowledge_syncs', '')"


async def notify_requested(connection: Connection) -> None:
    """Wake the dispatchers once the caller's transaction commits."""
    await connection.execute(NOTIFY_REQUESTED)


LIST_REQUESTED = """
SELECT id, knowledge_base_id, mode, reason, job_id, traceparent, tracestate, baggage FROM knowledge_syncs
WHERE status = 'requested' ORDER BY created_at LIMIT $1
"""


async def list_requested(connection: Connection, limit: int) -> Sequence[SyncRequest]:
    return [SyncRequest(**dict(row)) for row in await connection.fetch(LIST_REQUESTED, limit)]


UPDATE_QUEUED = "UPDATE knowledge_syncs SET status = 'queued' WHERE id = $1 AND status = 'requested'"


async def update_queued(connection: Connection, sync_id: UUID) -> None:
    await connection.execute(UPDATE_QUEUED, sync_id)


UPSERT_STARTED = """
INSERT INTO knowledge_syncs AS sync
    (id, knowledge_base_id, mode, reason, job_id, traceparent, status, started_at)
VALUES ($1, $2, $3, $4, $5, $6, 'running', clock_timestamp())
ON CONFLICT (id) DO UPDATE SET status = 'running', started_at = clock_timestamp(), finished_at = NULL,
    error = NULL, result = NULL, progress = NULL, files = NULL
"""


async def upsert_started(
    connection: Connection,
    sync_id: UUID,
    base_id: str,
    mode: SyncMode,
    reason: Reason,
    job_id: str,
    traceparent: str | None,
) -> None:
    await connection.execute(UPSERT_STARTED, sync_id, base_id, mode, reason, job_id, traceparent)


UPDATE_FINISHED = """
UPDATE knowledge_syncs SET status = $2, result = $3, error = $4, files = $5,
    progress = coalesce($6, progress), finished_at = clock_timestamp()
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
) -> None:
    """``files`` as :func:`knowledge.sync.report.report_of` makes it; no ``progress`` leaves the last one."""
    status = "failed" if error else "completed"
    await connection.execute(UPDATE_FINISHED, sync_id, status, result, error, files, progress)


UPDATE_WAITING = """
UPDATE knowledge_syncs SET status = 'queued', error = $2, finished_at = NULL WHERE id = $1
"""


async def update_waiting(connection: Connection, sync_id: UUID, reason: str) -> None:
    """The sync is to be run again, which ``reason`` says when and why."""
    await connection.execute(UPDATE_WAITING, sync_id, reason)


UPDATE_WAITING_REASON = "UPDATE knowledge_syncs SET error = $2 WHERE id = $1 AND status = 'queued'"


async def update_waiting_reason(connection: Connection, sync_id: UUID, reason: str) -> None:
    """Why a sync that has not begun doesn't begin."""
    await connection.execute(UPDATE_WAITING_REASON, sync_id, reason)


UPDATE_PROGRESS = "UPDATE knowledge_syncs SET progress = $2 WHERE id = $1 AND status = 'running'"


async def update_progress(connection: Connection, sync_id: UUID, progress: Mapping[str, Any]) -> None:
    await connection.execute(UPDATE_PROGRESS, sync_id, progress)


LIST_SYNCS = """
SELECT id, job_id, status, mode, reason, result, error, files, progress, created_at, started_at, finished_at
FROM knowledge_syncs WHERE knowledge_base_id = $1 ORDER BY created_at DESC, id LIMIT $2
"""


async def list_syncs(connection: Connection, base_id: str, limit: int) -> Sequence[SyncRecord]:
    """The newest syncs of a base."""
    return [SyncRecord(**dict(row)) for row in await connection.fetch(LIST_SYNCS, base_id, limit)]


GET_INDEX = """
SELECT model, fingerprint, definition, commit_sha AS commit, chunk_count
FROM knowledge_indexes WHERE knowledge_base_id = $1 AND version = $2
"""


async def get_index(connection: Connection, base_id: str, version: str) -> Index | None:
    row = await connection.fetchrow(GET_INDEX, base_id, version)
    return Index(**dict(row)) if row else None


UPSERT_INDEX = """
INSERT INTO knowledge_indexes
    (knowledge_base_id, version, model, fingerprint, definition, commit_sha, chunk_count)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (knowledge_base_id, version) DO UPDATE SET model = excluded.model, synced_at = now(),
    fingerprint = excluded.fingerprint, definition = excluded.definition, commit_sha = excluded.commit_sha,
    chunk_count = excluded.chunk_count
"""


async def upsert_index(connection: Connection, base_id: str, version: str, index: Index) -> None:
    await connection.execute(
        UPSERT_INDEX,
        base_id,
        version,
        index.model,
        index.fingerprint,
        index.definition,
        index.commit,
        index.chunk_count,
    )


LIST_FILES = """
SELECT path, content_sha, outcome, reason, chunk_ids FROM knowledge_files
WHERE knowledge_base_id = $1 AND version = $2
"""


async def list_files(connection: Connection, base_id: str, version: str) -> dict[str, FileState]:
    rows = await connection.fetch(LIST_FILES, base_id, version)
    return {
        row["path"]: FileState(
            row["path"],
            row["content_sha"],
            row["outcome"],
            row["reason"],
            tuple(row["chunk_ids"]),
        )
        for row in rows
    }


UPSERT_FILES = """
INSERT INTO knowledge_files (knowledge_base_id, version, path, content_sha, outcome, reason, chunk_ids)
SELECT $1, $2, file.path, file.content_sha, file.outcome, file.reason,
       file.chunk_ids::uuid[]
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
     AS file (path, content_sha, outcome, reason, chunk_ids)
ON CONFLICT (knowledge_base_id, version, path) DO UPDATE SET content_sha = excluded.content_sha,
    outcome = excluded.outcome, reason = excluded.reason, chunk_ids = excluded.chunk_ids, updated_at = now()
"""


async def upsert_files(
    connection: Connection, base_id: str, version: str, files: Sequence[FileState]
) -> None:
    await connection.execute(
        UPSERT_FILES,
        base_id,
        version,
        [file.path for file in files],
        [file.content_sha for file in files],
        [file.outcome for file in files],
        [file.reason for file in files],
        ["{" + ",".join(map(str, file.chunk_ids)) + "}" for file in files],
    )


DELETE_FILES = """
DELETE FROM knowledge_files WHERE knowledge_base_id = $1 AND version = $2 AND path = ANY($3::text[])
"""


async def delete_files(connection: Connection, base_id: str, version: str, paths: Sequence[str]) -> None:
    await connection.execute(DELETE_FILES, base_id, version, paths)


UPSERT_SYNC_STATE = """
INSERT INTO knowledge_sync_state (knowledge_base_id, last_commit_sha, last_synced_at) VALUES ($1, $2, now())
ON CONFLICT (knowledge_base_id) DO UPDATE SET last_commit_sha = excluded.last_commit_sha,
    last_synced_at = excluded.last_synced_at
"""


async def upsert_sync_state(connection: Connection, base_id: str, commit: str) -> None:
    """What the Node application reads."""
    await connection.execute(UPSERT_SYNC_STATE, base_id, commit)


LOCK_BASE = "SELECT pg_advisory_xact_lock(hashtextextended('knowledge.sync:' || $1, 0))"


async def lock_base(connection: Connection, base_id: str) -> None:
    """One writer of a base's rows at a time, to the end of the transaction."""
    await connection.execute(LOCK_BASE, base_id)


SET_STATEMENT_TIMEOUT = "SELECT set_config('statement_timeout', $1, true)"


async def set_statement_timeout(connection: Connection, seconds: float) -> None:
    """For this transaction only: writing into an HNSW index takes some milliseconds a row."""
    await connection.execute(SET_STATEMENT_TIMEOUT, str(int(seconds * 1000)))
