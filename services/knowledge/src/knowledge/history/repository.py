"""SQL of the history of syncs. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence
from datetime import timedelta

from common.postgres import Connection
from knowledge.history.records import SyncRecord

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


LIST_SYNCS = """
SELECT id, job_id, status, mode, reason, result, error, files, progress, created_at, started_at, finished_at
FROM knowledge_syncs WHERE knowledge_base_id = $1 ORDER BY created_at DESC, id LIMIT $2
"""


async def list_syncs(connection: Connection, base_id: str, limit: int) -> Sequence[SyncRecord]:
    """The newest syncs of a base."""
    return [SyncRecord(**dict(row)) for row in await connection.fetch(LIST_SYNCS, base_id, limit)]
