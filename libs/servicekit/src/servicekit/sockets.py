"""The WebSocket twin of an event stream: the same events, for programs whose libraries speak no server-sent
events. It only tells: what its reader sends ends it.

The handshake is answered as a request is: 401, 403, 404, 429, 503 with ``{"error": …}``. A browser sends the
cookie of any page's WebSocket, so that a cookie needs an ``Origin`` of ours here, though it is a GET
(cross-site WebSocket hijacking, OWASP's "Testing WebSockets").
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any, TypeAlias

from fastapi import Request, WebSocket
from opentelemetry.instrumentation.utils import suppress_instrumentation
from starlette.websockets import WebSocketDisconnect, WebSocketState

from common import codec
from servicekit.auth import Authenticator, Caller
from servicekit.error_answers import answer_to
from servicekit.live import AWAY, End, Quiet, follow, open_streams
from servicekit.sse import ServerEvent

QUIET_SECONDS = 30.0

Open: TypeAlias = Callable[[Caller], Awaitable[AsyncIterator[ServerEvent]]]
"""The events for a caller. Raises what a request would be answered with."""

_DONE = (1000, "There are no more events")
_CLOSINGS = {
    End.STOPPING: (1012, "The service restarts: connect again"),
    End.EXPIRED: (1008, "Your credentials have expired"),
    End.AWAY: (1013, AWAY),
}
"""Status codes of RFC 6455, section 7.4, and of IANA's registry for it."""
_ONLY_TELLS = (1003, "This socket takes no messages")
_HTTP = {"ws": "http", "wss": "https"}


async def tell(socket: WebSocket, open_events: Open) -> None:
    """Accept the socket, and send it each event as a text frame: ``{"id"?, "event", "data"}``.

    A ``heartbeat`` comes after 30 quiet seconds. The socket has its place among the process's event streams.
    The next event is read when the connection has taken this one, so a slow reader costs no memory; the
    connection's own limits drop who takes nothing (:mod:`servicekit.connections`).
    """
    request = Request(_as_request(socket))
    try:
        authenticator: Authenticator = socket.app.state.authenticator
        caller = await authenticator.caller(request)
        with open_streams(socket).opened(caller.user_id):
            events = await open_events(caller)
            async with aclosing(follow(events, caller, socket.app.state.stopping, QUIET_SECONDS)) as steps:
                first = await anext(steps, None)
                await socket.accept()
                await _tell_until_closed(socket, first, steps)
    except Exception as error:
        if socket.application_state is WebSocketState.CONNECTING:
            await socket.send_denial_response(await answer_to(request, error))
        elif not isinstance(error, WebSocketDisconnect):
            raise


def _as_request(socket: WebSocket) -> dict[str, Any]:
    """The scope of a request that asks for the same. Like RFC 8441's, its method is CONNECT, which isn't one
    of those that change nothing."""
    scope = dict(socket.scope)
    return scope | {"type": "http", "method": "CONNECT", "scheme": _HTTP[scope["scheme"]]}


async def _tell_until_closed(
    socket: WebSocket,
    first: ServerEvent | Quiet | End | None,
    steps: AsyncGenerator[ServerEvent | Quiet | End, None],
) -> None:
    telling = asyncio.create_task(_tell(socket, first, steps))
    hearing = asyncio.create_task(_hear(socket))
    try:
        with suppress_instrumentation():
            await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
        if hearing.done() and not hearing.result():
            return  # its reader has gone
        code, reason = telling.result() if telling.done() else _ONLY_TELLS
        await socket.close(code, reason)
    finally:
        for task in (telling, hearing):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _tell(
    socket: WebSocket,
    step: ServerEvent | Quiet | End | None,
    steps: AsyncGenerator[ServerEvent | Quiet | End, None],
) -> tuple[int, str]:
    """Send the steps. Returns how to close the socket."""
    while step is not None:
        if isinstance(step, End):
            return _CLOSINGS[step]
        await socket.send_text(_frame(step))
        step = await anext(steps, None)
    return _DONE


async def _hear(socket: WebSocket) -> bool:
    """Whether its reader has sent something; False when it has gone."""
    message = await socket.receive()
    return bool(message["type"] == "websocket.receive")


def _frame(step: ServerEvent | Quiet) -> str:
    if isinstance(step, Quiet):
        return '{"event":"heartbeat","data":{}}'
    frame = {"id": step.id} if step.id is not None else {}
    return codec.dumps_str(frame | {"event": step.event, "data": step.data})
