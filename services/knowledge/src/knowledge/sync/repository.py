"""SQL of syncs. Functions take a connection, run one statement and never commit."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pgvector import Vector

from common.contracts.knowledge import SyncMode
from common.postgres import Connection
from knowledge.embeddings import Vectors
from knowledge.sync.models import (
    Chunk,
    FileState,
    Index,
    Reason,
    SyncRecord,
    SyncRequest,
    metadata_of,
)

INSERT_REQUEST = """
INSERT INTO knowledge_syncs (id, knowledge_base_id, mode, reason, job_id, requested_by, traceparent)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING
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
    )


NOTIFY_REQUESTED = "SELECT pg_notify('knowledge_syncs', '')"


async def notify_requested(connection: Connection) -> None:
    """Wake the dispatchers once the caller's transaction commits."""
    await connection.execute(NOTIFY_REQUESTED)


LIST_REQUESTED = """
SELECT id, knowledge_base_id, mode, reason, job_id, traceparent FROM knowledge_syncs
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


LIST_CHUNK_IDS = "SELECT id FROM knowledge_embeddings WHERE knowledge_base_id = $1 AND version = $2"


async def list_chunk_ids(connection: Connection, base_id: str, version: str) -> set[UUID]:
    """Ids of the rows in place, whoever wrote them."""
    return {row["id"] for row in await connection.fetch(LIST_CHUNK_IDS, base_id, version)}


LIST_CONTENTS = "SELECT id, content FROM knowledge_embeddings WHERE id = ANY($1::uuid[])"


async def list_contents(connection: Connection, chunk_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The texts of these rows."""
    return {row["id"]: row["content"] for row in await connection.fetch(LIST_CONTENTS, chunk_ids)}


DELETE_CHUNKS = "DELETE FROM knowledge_embeddings WHERE id = ANY($1::uuid[])"


async def delete_chunks(connection: Connection, chunk_ids: Iterable[UUID], seconds: float) -> None:
    await connection.execute(DELETE_CHUNKS, list(chunk_ids), timeout=seconds)


UPDATE_METADATA = """
UPDATE knowledge_embeddings AS chunk SET metadata = moved.metadata
FROM unnest($1::uuid[], $2::jsonb[]) AS moved (id, metadata)
WHERE chunk.id = moved.id AND chunk.metadata IS DISTINCT FROM moved.metadata
"""


async def update_metadata(
    connection: Connection, metadata: Mapping[UUID, Mapping[str, Any]], seconds: float
) -> int:
    """Give these rows this metadata; the number of those that had other."""
    done = await connection.execute(UPDATE_METADATA, list(metadata), list(metadata.values()), timeout=seconds)
    return int(done.rpartition(" ")[2])


CHUNK_COLUMNS = ("id", "knowledge_base_id", "version", "content", "metadata", "embedding")


async def copy_chunks(
    connection: Connection,
    base_id: str,
    version: str,
    rows: Iterable[tuple[Chunk, Vectors]],
    seconds: float,
) -> None:
    """Write chunks with their vectors by one binary COPY. ``connection`` has the binary codecs."""
    await connection.copy_records_to_table(
        "knowledge_embeddings",
        columns=CHUNK_COLUMNS,
        records=(
            (
                chunk.id,
                base_id,
                version,
                chunk.content,
                metadata_of(chunk.path, chunk.index, chunk.total),
                Vector(vector),
            )
            for chunk, vector in rows
        ),
        timeout=seconds,
    )


GET_BACKEND = "SELECT pg_backend_pid()"


async def get_backend(connection: Connection) -> int:
    """The process of the server that serves this transaction."""
    pid: int = await connection.fetchval(GET_BACKEND)
    return pid


GET_COPIED_ROWS = "SELECT tuples_processed FROM pg_stat_progress_copy WHERE pid = $1"


async def get_copied_rows(connection: Connection, backend: int) -> int:
    """How many rows the COPY that ``backend`` runs has written. Those that it was sent may be thousands more:
    they wait in the buffers of the connection."""
    rows: int | None = await connection.fetchval(GET_COPIED_ROWS, backend)
    return rows or 0


UPDATE_CACHE_USED = """
UPDATE knowledge_embedding_cache SET used_at = now()
WHERE model = $1 AND content_hash = ANY($2::bytea[]) AND used_at < now() - interval '1 day'
"""
LIST_CACHED_HASHES = """
SELECT content_hash FROM knowledge_embedding_cache WHERE model = $1 AND content_hash = ANY($2::bytea[])
"""


async def update_cache_used(connection: Connection, model: str, hashes: Sequence[bytes]) -> None:
    """Remember that these embeddings are needed, once a day at most."""
    await connection.execute(UPDATE_CACHE_USED, model, hashes)


async def list_cached_hashes(connection: Connection, model: str, hashes: Sequence[bytes]) -> set[bytes]:
    rows = await connection.fetch(LIST_CACHED_HASHES, model, hashes)
    return {row["content_hash"] for row in rows}


GET_CACHED = """
SELECT content_hash, embedding FROM knowledge_embedding_cache
WHERE model = $1 AND content_hash = ANY($2::bytea[])
"""


async def get_cached(connection: Connection, model: str, hashes: Sequence[bytes]) -> dict[bytes, Any]:
    """Embeddings by content hash, as pgvector's ``Vector``; ``connection`` has the binary codecs."""
    rows = await connection.fetch(GET_CACHED, model, hashes)
    return {row["content_hash"]: row["embedding"] for row in rows}


INSERT_CACHED = """
INSERT INTO knowledge_embedding_cache (model, content_hash, embedding)
SELECT $1, content_hash, embedding FROM unnest($2::bytea[], $3::vector[]) AS paid (content_hash, embedding)
ON CONFLICT DO NOTHING
"""


async def insert_cached(
    connection: Connection, model: str, hashes: Sequence[bytes], vectors: Vectors
) -> None:
    """Keep embeddings for good: they are paid for. ``connection`` has the binary codecs."""
    await connection.execute(INSERT_CACHED, model, hashes, [Vector(row) for row in vectors])


INSERT_CACHED_FROM_ROWS = """
INSERT INTO knowledge_embedding_cache (model, content_hash, embedding)
SELECT $1::varchar, sha256(convert_to(chunk.content, 'UTF8')), chunk.embedding
FROM knowledge_embeddings AS chunk
WHERE chunk.id = ANY($2::uuid[])
  AND NOT EXISTS (SELECT FROM knowledge_embedding_cache AS known
                  WHERE known.model = $1 AND known.content_hash = sha256(convert_to(chunk.content, 'UTF8')))
ON CONFLICT DO NOTHING
"""


async def insert_cached_from_rows(connection: Connection, model: str, chunk_ids: Sequence[UUID]) -> None:
    """Put the embeddings of these rows, which ``model`` made, back into a cache that has forgotten them."""
    await connection.execute(INSERT_CACHED_FROM_ROWS, model, chunk_ids)


DELETE_CACHED = "DELETE FROM knowledge_embedding_cache WHERE used_at < now() - $1::interval"


async def delete_cached(connection: Connection, unused_for: timedelta) -> None:
    await connection.execute(DELETE_CACHED, unused_for)


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
