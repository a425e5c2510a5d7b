"""Server-sent events that end when the service stops or the client disconnects."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from common import codec
from servicekit.auth import Caller
from servicekit.event_sources import EVENT_STREAM, RETRY, STREAM_HEADERS, error_event
from servicekit.live import AWAY, End, Frames, Quiet, follow, open_streams


@dataclass(slots=True, frozen=True)
class ServerEvent:
    """One event of a stream. A client that reconnects sends ``id`` back in ``Last-Event-ID``. Without a name
    it is a ``message``."""

    event: str | None
    data: Any
    id: str | None = None

    def encode(self) -> bytes:
        """The event in the format of ``text/event-stream``."""
        head = f"id: {self.id}\n" if self.id is not None else ""
        name = f"event: {self.event}\n" if self.event is not None else ""
        return f"{head}{name}data: ".encode() + codec.dumps(self.data) + b"\n\n"


@dataclass(slots=True, frozen=True)
class Comment:
    """What no client takes for an event: the first frame of a stream that has nothing to say yet."""

    text: str

    def encode(self) -> bytes:
        """A line that begins with a colon."""
        return f": {self.text}\n\n".encode()


Farewell: TypeAlias = Callable[[str, str], bytes]
"""The last frame of a stream that can't go on, for what happened: a text for people, and a code."""

HEARTBEAT = ServerEvent("heartbeat", {}).encode()
SILENT_HEARTBEAT = Comment("heartbeat").encode()
"""For clients that take each ``data:`` line for one of their own."""


TOO_MANY = {429: "The caller has too many event streams open. An `EventSource` gets an `error` event."}
"""For OpenAPI."""


class EventStream(StreamingResponse):
    """Sends ``events`` as they come, and a ``heartbeat`` (a whole frame) when there was none
    for a while.

    The answer begins with the first event: an error before it is answered like any other error, except that
    an ``EventSource`` is told to come back (:mod:`servicekit.event_sources`). The stream ends when the
    caller's credentials expire; a client with new ones reconnects. Credentials that can be verified again are
    (:attr:`Caller.verify_again`), and the stream goes on while they count. It also ends when the service
    stops (``app.state.stopping``; the last frame says when to reconnect), and with an ``error`` event in an
    outage; clients reconnect with ``Last-Event-ID``.

    For clients that don't reconnect, ``farewell`` makes the last frame of a stream that ends before
    ``events`` do. ``opened`` is the stream's place among :class:`OpenStreams`, if it was taken before.
    """

    media_type = EVENT_STREAM

    def __init__(
        self,
        request: Request,
        events: AsyncIterator[Frames],
        caller: Caller,
        *,
        heartbeat_seconds: float = 30,
        heartbeat: bytes = HEARTBEAT,
        farewell: Farewell | None = None,
        opened: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._opened = opened or open_streams(request).opened(caller.user_id)
        steps = follow(events, caller, request.app.state.stopping, heartbeat_seconds)
        frames = _frames(steps, heartbeat, farewell)
        super().__init__(frames, headers=STREAM_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._opened:
            async with aclosing(cast("AsyncGenerator[bytes, None]", self.body_iterator)) as frames:
                first = await anext(frames, b"")
                self.body_iterator = _resumed(first, frames)
                await super().__call__(scope, receive, send)


_FAREWELLS = {
    End.STOPPING: ("The service restarts: read again what there is", "stopping"),
    End.EXPIRED: ("Your credentials have expired", "not_authenticated"),
    End.AWAY: (AWAY, "unavailable"),
}


async def _resumed(first: bytes, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for frame in frames:
        yield frame


async def _frames(
    steps: AsyncGenerator[Frames | Quiet | End, None],
    heartbeat: bytes,
    farewell: Farewell | None,
) -> AsyncGenerator[bytes, None]:
    """The encoded stream."""
    async with aclosing(steps):
        async for step in steps:
            if isinstance(step, Quiet):
                yield heartbeat
            elif isinstance(step, End):
                if last := _last(step, heartbeat, farewell):
                    yield last
            else:
                yield step.encode()


def _last(end: End, heartbeat: bytes, farewell: Farewell | None) -> bytes | None:
    """What the reader is told of an end that isn't the events' own."""
    if farewell is not None:
        return farewell(*_FAREWELLS[end])
    if end is End.STOPPING:
        return RETRY + heartbeat
    return error_event(AWAY, 503) if end is End.AWAY else None
