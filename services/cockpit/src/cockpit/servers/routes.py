"""HTTP of a session's mock game server."""

from fastapi import APIRouter

from cockpit.edge import CallerParam, ResourcesParam, SessionId
from cockpit.servers import use_cases
from cockpit.servers.models import CommandBody
from cockpit.sessions.use_cases import get_session
from common.postgres import transaction
from servicekit.answers import JSONAnswer, data

router = APIRouter(prefix="/api/cockpit/sessions/{session_id}/mock-server", tags=["mock server"])


@router.post("/start")
async def start(
    session_id: SessionId,
    caller: CallerParam,
    resources: ResourcesParam,
) -> JSONAnswer:
    """Start the caller's server in this session, or move it here."""
    async with transaction(resources.pool) as connection:
        session = await get_session(connection, session_id, caller.user_id)
        status = await use_cases.start_server(connection, session)
    return data(status.wire())


@router.post("/stop")
async def stop(
    session_id: SessionId,
    caller: CallerParam,
    resources: ResourcesParam,
) -> JSONAnswer:
    """Stop the server of this session; nothing to do when none runs."""
    async with transaction(resources.pool) as connection:
        session = await get_session(connection, session_id, caller.user_id)
        status = await use_cases.stop_server(connection, session)
    return data(status.wire())


@router.get("/status")
async def get_status(
    session_id: SessionId,
    caller: CallerParam,
    resources: ResourcesParam,
) -> JSONAnswer:
    """Whether the server runs, its id, and how many players are online."""
    async with resources.pool.acquire() as connection:
        session = await get_session(connection, session_id, caller.user_id)
        status = await use_cases.get_status(connection, session)
    return data(status.wire())


@router.post("/command")
async def command(
    session_id: SessionId,
    body: CommandBody,
    caller: CallerParam,
    resources: ResourcesParam,
) -> JSONAnswer:
    """Run a console line; ``success`` is false when the console refused it, ``result`` is what it printed."""
    async with transaction(resources.pool) as connection:
        session = await get_session(connection, session_id, caller.user_id)
        result = await use_cases.execute_command(connection, session, body.command)
    return data({"result": result.raw_result, "success": result.success})
