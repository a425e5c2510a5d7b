"""HTTP of a session's events: server-sent events, and the same over a WebSocket."""

from collections.abc import AsyncIterator
from uuid import UUID

from fastapi import Request, WebSocket

from cockpit.events.use_cases import follow
from cockpit.events.wire import LastEventIdHeader, LastEventIdQuery, parse_event_id
from cockpit.sessions.use_cases import get_session
from cockpit.sessions.wire import NOT_FOUND, SessionId
from common.errors import Invalid
from servicekit.auth import Caller, CallerParam
from servicekit.openapi import answering_text
from servicekit.routing import create_api_router
from servicekit.service import Resources, ResourcesParam
from servicekit.sockets import tell
from servicekit.sse import TOO_MANY, EventStream, ServerEvent

EXAMPLE = """\
event: connected
data: {"sessionId":"4f8e0c1a-7a52-4f0f-9d2b-3f1f8a3a9c55","status":"stopped","playerCount":0}

id: 17
event: event
data: {"eventName":"player-connected","createdAt":"2026-11-28T12:00:00.000Z","meta":{}}
"""


router = create_api_router("/api/cockpit/sessions", ["events"])


@router.get(
    "/{session_id}/events",
    response_class=EventStream,
    **answering_text("text/event-stream", "Events as they happen.", EXAMPLE, errors=NOT_FOUND | TOO_MANY),
)
async def get_events(
    request: Request,
    session_id: SessionId,
    caller: CallerParam,
    resources: ResourcesParam,
    last_event_id: LastEventIdHeader = None,
    last_event_id_query: LastEventIdQuery = None,
) -> EventStream:
    """``connected``, the last 50 ``event`` s (or all since ``Last-Event-ID``), then each as it happens.

    ``status``: the server was started, stopped or moved. ``heartbeat``: every 30 s without an event.
    """
    session = await get_session(resources.pool, caller.user_id, session_id)
    after = parse_event_id(last_event_id if last_event_id is not None else last_event_id_query)
    return EventStream(request, follow(resources.pool, resources.notifications, session.id, after), caller)


@router.websocket("/{session_id}/events")
async def tell_events(socket: WebSocket, session_id: str) -> None:
    """The same over a WebSocket, with the same credentials and the same ``lastEventId``."""
    resources: Resources = socket.app.state.resources

    async def events(caller: Caller) -> AsyncIterator[ServerEvent]:
        try:
            known = UUID(session_id)
        except ValueError as error:
            raise Invalid("The session's id is no UUID") from error
        session = await get_session(resources.pool, caller.user_id, known)
        last = socket.headers.get("last-event-id", socket.query_params.get("lastEventId"))
        return follow(resources.pool, resources.notifications, session.id, parse_event_id(last))

    await tell(socket, events)
