"""HTTP of a session's events: server-sent events."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from cockpit.edge import CallerParam, ResourcesParam, SessionId
from cockpit.events.feed import follow
from cockpit.sessions.use_cases import get_session
from servicekit.sse import event_stream

router = APIRouter(prefix="/api/cockpit/sessions", tags=["events"])

_LONGEST_ID = 18
"""Digits that surely fit a bigint."""


@router.get("/{session_id}/events", response_class=StreamingResponse)
async def get_events(
    request: Request,
    session_id: SessionId,
    caller: CallerParam,
    resources: ResourcesParam,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """``connected``, the last 50 ``event`` s (or all since ``Last-Event-ID``), then each as it happens.

    ``status`` tells of a start, stop or move; ``heartbeat`` comes in quiet times, every 30 s.
    """
    async with resources.pool.acquire() as connection:
        session = await get_session(connection, session_id, caller.user_id)
    return event_stream(
        request, follow(resources.pool, resources.notifications, session.id, _parse(last_event_id))
    )


def _parse(last_event_id: str | None) -> int | None:
    """An id of ours, or ``None`` for anything else: a stranger's id starts from the beginning."""
    if last_event_id and last_event_id.isascii() and last_event_id.isdigit():
        return int(last_event_id) if len(last_event_id) <= _LONGEST_ID else None
    return None
