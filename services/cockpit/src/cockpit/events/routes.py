"""HTTP of a session's events: server-sent events."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from cockpit.events.use_cases import follow
from cockpit.events.wire import parse_event_id
from cockpit.sessions.use_cases import get_session
from cockpit.sessions.wire import SessionId
from servicekit.auth import CallerParam
from servicekit.service import ResourcesParam
from servicekit.sse import event_stream

router = APIRouter(prefix="/api/cockpit/sessions", tags=["events"])


@router.get("/{session_id}/events", response_class=StreamingResponse)
async def get_events(
    request: Request,
    session_id: SessionId,
    caller: CallerParam,
    resources: ResourcesParam,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """``connected``, the last 50 ``event`` s (or all since ``Last-Event-ID``), then each as it happens.

    ``status``: the server was started, stopped or moved. ``heartbeat``: every 30 s without an event.
    """
    session = await get_session(resources.pool, caller.user_id, session_id)
    after = parse_event_id(last_event_id)
    return event_stream(request, follow(resources.pool, resources.notifications, session.id, after), caller)
