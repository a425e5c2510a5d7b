"""SQL of syncs whose job is checked. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from common.postgres import Connection
from knowledge.requests.records import SyncRequest

LIST_UNFINISHED = """
SELECT id, knowledge_base_id, mode, reason, job_id, traceparent, tracestate, baggage FROM knowledge_syncs
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
