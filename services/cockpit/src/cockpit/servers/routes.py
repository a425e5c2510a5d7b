"""HTTP of a session's mock game server."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from cockpit.servers import use_cases
from cockpit.servers.models import CommandBody
from cockpit.sessions.use_cases import get_session
from common.auth import Caller, require_caller
from common.http import JSONAnswer, data
from common.postgres import transaction
from common.service import Resources, get_resources

router = APIRouter(prefix="/api/cockpit/sessions/{session_id}/mock-server", tags=["mock server"])


@router.post("/start")
async def start(
    session_id: Annotated[UUID, Path()],
    caller: Annotated[Caller, Depends(require_caller)],
    resources: Annotated[Resources, Depends(get_resources)],
) -> JSONAnswer:
    """Start the caller's server in this session, or move it here."""
    async with transaction(resources.pool) as connection:
        session = await get_session(connection, session_id, caller.user_id)
        status = await use_cases.start_server(connection, session)
    return data(status.wire())


@router.post("/stop")
async def stop(
    session_id: Annotated[UUID, Path()],
    caller: Annotated[Caller, Depends(require_caller)],
    resources: Annotated[Resources, Depends(get_resources)],
) -> JSONAnswer:
    """Stop the server of this session; nothing to do when none runs."""
    async with transaction(resources.pool) as connection:
        session = await get_session(connection, session_id, caller.user_id)
        status = await use_cases.stop_server(connection, session)
    return data(status.wire())


@router.get("/status")
async def get_status(
    session_id: Annotated[UUID, Path()],
    caller: Annotated[Caller, Depends(require_caller)],
    resources: Annotated[Resources, Depends(get_resources)],
) -> JSONAnswer:
    """Whether the server runs, its id, and how many players are online."""
    async with resources.pool.acquire() as connection:
        session = await get_session(connection, session_id, caller.user_id)
        status = await use_cases.get_status(connection, session)
    return data(status.wire())


@router.post("/command")
async def command(
    session_id: Annotated[UUID, Path()],
    body: CommandBody,
    caller: Annotated[Caller, Depends(require_caller)],
    resources: Annotated[Resources, Depends(get_resources)],
) -> JSONAnswer:
    """Run a console line; ``success`` is false when the console refused it, ``result`` is what it printed."""
    async with transaction(resources.pool) as connection:
        session = await get_session(connection, session_id, caller.user_id)
        result = await use_cases.execute_command(connection, session, body.command)
    return data({"result": result.raw_result, "success": result.success})
