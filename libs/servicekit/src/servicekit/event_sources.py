"""What a browser's ``EventSource`` is told when its stream can't start now.

Any status but 200 is final for an ``EventSource``: it never reconnects
(https://html.spec.whatwg.org/multipage/server-sent-events.html). So a failure that passes is told as an event
of a stream that ends at once, and the browser comes back.
"""

from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from common import codec
from servicekit.answers import failure

EVENT_STREAM = "text/event-stream"

RETRY_MILLISECONDS = 5000
"""After so long an ``EventSource`` reconnects."""

_PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


RETRY = f"retry: {RETRY_MILLISECONDS}\n".encode()
"""Before the last frame of a stream whose service stops: come back, there or at another process."""

STREAM_HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}


def refuse(scope: Scope, message: str, status: int) -> Response:
    """``{"error": message}``; a 429 or 503 is an ``error`` event with status 200 for an ``EventSource``."""
    if status in _PASSING and is_event_source(scope):
        return Response(error_event(message, status), media_type=EVENT_STREAM, headers=STREAM_HEADERS)
    return failure(message, status)


def error_event(message: str, status: int) -> bytes:
    """The last event of a stream: what happened, and when to reconnect."""
    data = codec.dumps({"error": message, "status": int(status)})
    return f"retry: {RETRY_MILLISECONDS}\nevent: error\ndata: ".encode() + data + b"\n\n"


def is_event_source(scope: Scope) -> bool:
    """Whether the caller is an ``EventSource``: it asks a route of event streams (if the route is known) for
    ``text/event-stream``, as browsers always do."""
    route = scope.get("route")
    answers = getattr(route, "response_class", None)
    if scope["method"] != "GET":
        return False
    if route is not None and getattr(answers, "media_type", None) != EVENT_STREAM:
        return False
    accepted = ",".join(Headers(scope=scope).getlist("accept")).split(",")
    return any(each.partition(";")[0].strip().lower() == EVENT_STREAM for each in accepted)
