"""HTTP of a session's mock game server."""

from fastapi import Request

from cockpit.resources import CockpitResourcesParam
from cockpit.servers import use_cases
from cockpit.servers.wire import CommandBody, CommandResultJson, result_json
from cockpit.sessions import use_cases as sessions
from cockpit.sessions.wire import NOT_FOUND, ServerStatusJson, SessionId, status_json
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.auth.login_cookie import read_cookies
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

router = create_api_router("/api/cockpit/sessions/{session_id}/mock-server", ["mock server"])


@router.post("/start", **answering(ServerStatusJson, errors=NOT_FOUND))
async def start(
    session_id: SessionId, caller: CallerParam, request: Request, resources: CockpitResourcesParam
) -> JSONAnswer:
    """Start the caller's server in this session, or move it here. If it connects to Takaro, it is
    ``starting`` until Takaro has named it."""
    if caller.by_cookie:
        _, takaros = read_cookies(request.scope)
        await resources.tokens.remember(resources.pool, resources.http, caller.user_id, takaros)
    status = await use_cases.start_server(resources.pool, caller.user_id, session_id, resources.tokens)
    return data(status_json(status))


@router.post("/stop", **answering(ServerStatusJson, errors=NOT_FOUND))
async def stop(session_id: SessionId, caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
    """Stop the server of this session. Does nothing if none runs. If it connects to Takaro, it is
    ``stopping`` until its connection is closed."""
    return data(status_json(await use_cases.stop_server(resources.pool, caller.user_id, session_id)))


@router.get("/status", **answering(ServerStatusJson, errors=NOT_FOUND))
async def get_status(session_id: SessionId, caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
    """Whether the server runs, its id, and how many players are online."""
    return data(status_json(await sessions.get_status(resources.pool, caller.user_id, session_id)))


@router.post("/command", **answering(CommandResultJson, errors=NOT_FOUND | {409: "The server doesn't run."}))
async def command(
    session_id: SessionId, body: CommandBody, caller: CallerParam, resources: ResourcesParam
) -> JSONAnswer:
    """Run a console line. ``success`` is false if the console refused it; ``result`` is its output."""
    result = await use_cases.execute_command(resources.pool, caller.user_id, session_id, body.command)
    return data(result_json(result))
