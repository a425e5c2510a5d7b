"""SQL of the history of syncs. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence
from datetime import timedelta

from common.postgres import Connection
from knowledge.history.records import Position, SyncRecord

DELETE_OLD_SYNCS = """
DELETE FROM knowledge_syncs WHERE id IN (
    SELECT old.id FROM knowledge_bases AS base
    CROSS JOIN LATERAL (
        SELECT sync.id FROM knowledge_syncs AS sync
        WHERE sync.knowledge_base_id = base.id AND sync.status IN ('completed', 'failed')
          AND sync.created_at < now() - $1::interval
          AND sync.created_at < (SELECT kept.created_at FROM knowledge_syncs AS kept
                                 WHERE kept.knowledge_base_id = base.id
                                 ORDER BY kept.created_at DESC OFFSET $2 - 1 LIMIT 1)
        LIMIT $3
        FOR UPDATE OF sync SKIP LOCKED
    ) AS old
    LIMIT $3
)
"""


async def delete_old_syncs(connection: Connection, older_than: timedelta, keep: int, limit: int) -> int:
    """Delete up to ``limit`` finished syncs that were requested longer ago than that, except the newest
    ``keep`` of each base. Returns their number."""
    done: str = await connection.execute(DELETE_OLD_SYNCS, older_than, keep, limit)
    return int(done.removeprefix("DELETE "))


_COLUMNS = """id, job_id, status, mode, reason, result, error, files, progress, created_at, started_at,
       finished_at"""

LIST_SYNCS = f"""
SELECT {_COLUMNS} FROM knowledge_syncs
WHERE knowledge_base_id = $1
  AND (created_at, id) < (coalesce($2::timestamptz, 'infinity'),
                          coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY created_at DESC, id DESC LIMIT $4
"""  # noqa: S608 -- a constant


async def list_syncs(
    connection: Connection, base_id: str, limit: int, after: Position | None = None
) -> Sequence[SyncRecord]:
    """The syncs of a base, newest first: the first ``limit`` after a position."""
    rows = await connection.fetch(LIST_SYNCS, base_id, *(after or (None, None)), limit)
    return [SyncRecord(**dict(row)) for row in rows]


LIST_OLDEST_SYNCS = f"""
SELECT {_COLUMNS} FROM knowledge_syncs
WHERE knowledge_base_id = $1
  AND (created_at, id) > (coalesce($2::timestamptz, '-infinity'),
                          coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
ORDER BY created_at, id LIMIT $4
"""  # noqa: S608 -- a constant


async def list_oldest_syncs(
    connection: Connection, base_id: str, limit: int, after: Position | None = None
) -> Sequence[SyncRecord]:
    """As :func:`list_syncs`, oldest first."""
    rows = await connection.fetch(LIST_OLDEST_SYNCS, base_id, *(after or (None, None)), limit)
    return [SyncRecord(**dict(row)) for row in rows]
