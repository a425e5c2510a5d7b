"""Ask for a sync: a row in the caller's transaction, which the dispatcher turns into a job afterwards."""

from uuid import UUID, uuid4

from common import trace_context
from common.postgres import Connection
from common.trace_context import TraceContext
from contracts.knowledge import SyncMode
from knowledge.sync import repository
from knowledge.sync.models import Reason, SyncRequest

CHANNEL = "knowledge_syncs"
"""Postgres notification channel that wakes the dispatcher."""

_PREFIX = "sync-"


async def request_sync(
    connection: Connection,
    base_id: str,
    *,
    reason: Reason,
    mode: SyncMode = "incremental",
    sync_id: UUID | None = None,
    requested_by: str | None = None,
    trace: TraceContext | None = None,
) -> str:
    """Record the request and return its job's id. The same ``sync_id`` twice is one request."""
    sync_id = sync_id or uuid4()
    job_id = f"{_PREFIX}{sync_id}"
    trace = trace or trace_context.current()
    carrier = trace.to_carrier() if trace else {}
    request = SyncRequest(sync_id, base_id, mode, reason, job_id, **carrier)
    await repository.insert_request(connection, request, requested_by)
    await repository.notify_requested(connection)
    return job_id


def sync_id_of(job_id: str) -> UUID | None:
    """The sync that a job of ours stands for; ``None`` for anybody else's."""
    try:
        return UUID(job_id.removeprefix(_PREFIX)) if job_id.startswith(_PREFIX) else None
    except ValueError:
        return None
