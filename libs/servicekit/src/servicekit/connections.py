"""Connections of a service: how many there may be, and how long each may take for a request and an answer.

uvicorn itself limits none of this but the idle time between two requests.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Any

from prometheus_client import Counter
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from servicekit.answers import failure
from servicekit.event_sources import refuse
from servicekit.middlewares.read_on import MAX_BYTES, MAX_SECONDS, ReadOn

CUT = Counter("takaro_http_cut_total", "Connections that were refused or closed at a limit", ["reason"])

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers together."""

TOLD_TO_COME_BACK = 100
"""So many connections over the limit are read as far as their headers and get a whole answer; others are
closed at once with a bare 503."""


@dataclass(slots=True, frozen=True)
class ConnectionLimits:
    """``headers_seconds``: from the first byte of a request, or from connecting, to the end of its headers.
    ``send_seconds``: a client may take nothing of its answer for so long. ``connections``: open at once."""

    headers_seconds: float
    send_seconds: float
    connections: int


class _Reading(Enum):
    NOTHING = "between requests"
    HEAD = "request line and headers"
    BODY = "body"


class LimitedConnection(HttpToolsProtocol):
    """uvicorn's protocol of one connection, within ``limits``.

    An answer here is final: it is sent, the rest of what the client sends is read and dropped for a while, so
    that the client sees the answer, and the connection is closed. Bodies have their own time limit, which
    counts only while somebody reads one (:mod:`servicekit.request_bodies`). Nothing here limits how long an
    answer lasts, so event streams go on for as long as their clients read.
    """

    def __init__(self, *, limits: ConnectionLimits, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._limits = limits
        self._reading = _Reading.NOTHING
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._patience = Patience(limits.send_seconds)
        self._dropping = False
        self._to_drop = MAX_BYTES
        self._upgraded = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        too_many = len(self.connections) - self._limits.connections
        if too_many > 0:
            CUT.labels("connections").inc()
            self.app = _REFUSE_CONNECTION
        if too_many > TOLD_TO_COME_BACK:
            transport.write(_answer(HTTPStatus.SERVICE_UNAVAILABLE, _TOO_MANY))
            transport.close()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._patience.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._dropping:
            self._to_drop -= len(data)
            if self._to_drop < 0:
                self.transport.abort()
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._dropping or self.transport.is_closing() or self._upgraded:
            return
        if self._reading is _Reading.HEAD and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers too large", _LARGE_HEAD)
        elif self._reading is _Reading.HEAD or (self._reading is _Reading.NOTHING and not self._answering()):
            self._expect_head()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A client may close its side when it has sent its request; it still gets the answer."""
        if self._reading is _Reading.NOTHING and self._answering() and not self.cycle.response_started:
            self.cycle.keep_alive = False
            return True
        return None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading = _Reading.HEAD
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading is not _Reading.BODY:  # trailers are dropped: there can be any number of them
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._cancel_deadline()
        self._reading = _Reading.BODY
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            CUT.labels("headers too large").inc()
            self.app = _REFUSE_LARGE_HEAD
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._reading = _Reading.NOTHING

    def on_response_complete(self) -> None:
        # With a queue of requests, the last of which is being read, this was not the answer to that one.
        unread = self._reading is _Reading.BODY and not self.pipeline
        super().on_response_complete()
        if unread:
            self.transport.close()
        elif self._reading is _Reading.HEAD:
            self._unset_keepalive_if_required()  # the time limit of the headers counts

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "malformed", "The request is not valid HTTP/1.1")

    def shutdown(self) -> None:
        if self._dropping:
            self.transport.close()
        super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._patience.start(self.transport)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._patience.stop()

    def _should_upgrade(self) -> bool:
        """Not where the request is refused: its refusal is an answer over HTTP."""
        return super()._should_upgrade() and self.app not in (_REFUSE_CONNECTION, _REFUSE_LARGE_HEAD)

    def handle_websocket_upgrade(self) -> None:
        """From here on the connection is a :class:`LimitedSocket`'s."""
        self._upgraded = True
        self._cancel_deadline()
        super().handle_websocket_upgrade()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._limits.headers_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._deadline = None
        if self._answering():
            self._expect_head()  # it may be us who don't read on
        elif self._reading is _Reading.HEAD:
            seconds = self._limits.headers_seconds
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "slow headers", f"The headers took over {seconds:g} s")
        else:
            self.transport.close()  # a browser may connect before it has anything to ask

    def _refuse(self, status: HTTPStatus, reason: str, message: str) -> None:
        CUT.labels(reason).inc()
        self._cancel_deadline()
        self._unset_keepalive_if_required()
        begun = bool(self.pipeline) or (self._answering() and self.cycle.response_started)
        if self._answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if begun or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write(_answer(status, message))
        self.transport.write_eof()
        self._dropping = True
        self._deadline = self.loop.call_later(MAX_SECONDS, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class LimitedSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol of one WebSocket, within ``limits``: a reader that takes nothing is disconnected.

    While the connection takes nothing, nothing is read from it either: each ping would be answered into a
    buffer that grows.
    """

    def __init__(self, *, limits: ConnectionLimits, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._patience = Patience(limits.send_seconds)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._patience.start(self.transport)
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._patience.stop()
        if not self.read_paused:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.stop()
        super().connection_lost(exc)


class Patience:
    """Disconnects a client that takes nothing for ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self, transport: asyncio.Transport) -> None:
        """The connection takes nothing now."""
        self._watch(transport, None)

    def stop(self) -> None:
        """It takes something again, or has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, transport: asyncio.Transport, before: int | None) -> None:
        left = transport.get_write_buffer_size()
        if before is not None and left >= before:
            CUT.labels("answer not taken").inc()
            transport.abort()
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._seconds, self._watch, transport, left)


_TOO_MANY = "The service has too many connections, try again"
_LARGE_HEAD = f"The headers are over {MAX_HEAD_BYTES} bytes"


def _refusing(status: HTTPStatus, message: str) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = refuse(scope, message, status)
        response.headers["Connection"] = "close"
        await response(scope, receive, send)

    return ReadOn(answer)


_REFUSE_CONNECTION = _refusing(HTTPStatus.SERVICE_UNAVAILABLE, _TOO_MANY)
_REFUSE_LARGE_HEAD = _refusing(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, _LARGE_HEAD)


def _answer(status: HTTPStatus, message: str) -> bytes:
    """A whole answer in the form of all others, for requests that no application sees."""
    answer = failure(message, status)
    answer.headers["Connection"] = "close"
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(answer.body)])
