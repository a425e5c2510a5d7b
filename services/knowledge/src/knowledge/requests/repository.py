"""SQL of requests for syncs. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence
from uuid import UUID

from common.postgres import Connection
from knowledge.requests.records import SyncRequest

INSERT_REQUEST = """
INSERT INTO knowledge_syncs (id, knowledge_base_id, mode, reason, job_id, requested_by, traceparent,
                             tracestate, baggage, confirm_removal)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING
"""


async def insert_request(connection: Connection, request: SyncRequest, requested_by: str | None) -> None:
    """Store a request; a second one with the same id changes nothing."""
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
        request.confirm_removal,
    )


LIST_REQUESTED = """
SELECT id, knowledge_base_id, mode, reason, job_id, traceparent, tracestate, baggage,
       coalesce(confirm_removal, false) AS confirm_removal
FROM knowledge_syncs WHERE status = 'requested' ORDER BY created_at LIMIT $1
"""


async def list_requested(connection: Connection, limit: int) -> Sequence[SyncRequest]:
    """Requests that have no job yet, oldest first."""
    return [SyncRequest(**dict(row)) for row in await connection.fetch(LIST_REQUESTED, limit)]


UPDATE_QUEUED = "UPDATE knowledge_syncs SET status = 'queued' WHERE id = $1 AND status = 'requested'"


async def update_queued(connection: Connection, sync_id: UUID) -> None:
    """Mark the request as queued, unless a worker has started it already."""
    await connection.execute(UPDATE_QUEUED, sync_id)
