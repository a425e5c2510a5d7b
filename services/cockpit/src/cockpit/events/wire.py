"""Events of a session on the wire: server-sent events."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Query

from cockpit.events.records import STATUS_CHANGED, SessionEvent
from cockpit.sessions.records import ServerStatus
from cockpit.sessions.wire import status_json
from servicekit.sse import ServerEvent

_LONGEST_ID = 18
"""So many digits always fit a bigint."""


LastEventIdHeader = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        description="The `id` of the last event that the caller has. What came after it follows.",
        examples=["17"],
    ),
]
LastEventIdQuery = Annotated[
    str | None,
    Query(
        alias="lastEventId",
        description="The same for a new `EventSource`, which can't send the header. The header counts first.",
        examples=["17"],
    ),
]


def connected(session_id: UUID, status: ServerStatus) -> ServerEvent:
    """The first event of a stream: the session, and the status of its server."""
    return ServerEvent("connected", {"sessionId": str(session_id), **status_json(status)})


def server_event(event: SessionEvent) -> ServerEvent:
    """A ``status`` for a start, stop or move, an ``event`` for what happened in the game."""
    kind = "event"
    payload: Any = {"eventName": event.event_name, "createdAt": event.created_at, "meta": event.meta}
    if event.event_name == STATUS_CHANGED:
        kind, payload = "status", {**event.meta, "createdAt": event.created_at}
    return ServerEvent(kind, payload, str(event.id))


def parse_event_id(last_event_id: str | None) -> int | None:
    """The id; ``None`` if we can't have sent it. Its sender then starts from the beginning."""
    if last_event_id and last_event_id.isascii() and last_event_id.isdigit():
        return int(last_event_id) if len(last_event_id) <= _LONGEST_ID else None
    return None
