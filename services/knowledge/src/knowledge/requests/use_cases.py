"""Requests a sync: a row in a transaction, which the dispatcher turns into a job afterwards."""

from uuid import UUID, uuid4

from backbone import names
from common import trace_context
from common.errors import NotFound
from common.notifications import notify
from common.postgres import Connection, Pool, transaction, tried_again
from common.trace_context import TraceContext
from contracts.knowledge import SyncMode
from knowledge.bases.repository import get_base
from knowledge.bases.use_cases import get_visible_base
from knowledge.requests import repository
from knowledge.requests.records import Reason, SyncRequest
from knowledge.requests.rules import job_id_of


async def request_sync(
    connection: Connection,
    base_id: str,
    *,
    reason: Reason,
    mode: SyncMode = "incremental",
    confirm_removal: bool = False,
    sync_id: UUID | None = None,
    requested_by: str | None = None,
    trace: TraceContext | None = None,
) -> str:
    """Record the request in the caller's transaction. Returns its job's id. The same ``sync_id`` twice is one
    request."""
    sync_id = sync_id or uuid4()
    job_id = job_id_of(sync_id)
    trace = trace or trace_context.current()
    carrier = trace.to_carrier() if trace else {}
    request = SyncRequest(sync_id, base_id, mode, reason, job_id, **carrier, confirm_removal=confirm_removal)
    await repository.insert_request(connection, request, requested_by)
    await notify(connection, names.SYNCS_CHANNEL)
    return job_id


@tried_again
async def request_sync_of_visible(
    pool: Pool, base_id: str, user_id: str, *, confirm_removal: bool = False
) -> str:
    """Request a sync of a base that the user can see. Returns its job's id. Raises ``NotFound`` and
    ``Forbidden``."""
    async with transaction(pool) as connection:
        await get_visible_base(connection, base_id, user_id)
        return await request_sync(
            connection, base_id, reason="http", confirm_removal=confirm_removal, requested_by=user_id
        )


async def request_commanded_sync(
    connection: Connection,
    base_id: str,
    mode: SyncMode,
    sync_id: UUID,
    trace: TraceContext | None,
    *,
    confirm_removal: bool = False,
) -> None:
    """Request a sync of a base of any owner, in the caller's transaction. Raises ``NotFound``."""
    if await get_base(connection, base_id) is None:
        raise NotFound(f"Knowledge base not found: {base_id}", code="knowledge_base_not_found")
    await request_sync(
        connection,
        base_id,
        reason="command",
        mode=mode,
        confirm_removal=confirm_removal,
        sync_id=sync_id,
        trace=trace,
    )
