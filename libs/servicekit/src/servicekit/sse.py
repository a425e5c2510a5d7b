"""Server-sent events that end when the service stops or the client disconnects."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import structlog
from fastapi import Request
from opentelemetry.instrumentation.utils import suppress_instrumentation
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from common import codec
from common.errors import PermanentError, TransientError, is_transient
from servicekit.auth import Caller
from servicekit.event_sources import EVENT_STREAM, RETRY, STREAM_HEADERS, error_event

log = structlog.get_logger()


class Frames(Protocol):
    """What a stream sends at a time: one event or several."""

    def encode(self) -> bytes:
        """In the format of ``text/event-stream``."""


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

VERIFY_SECONDS = 60.0
"""Longest time between two looks at credentials that can be verified again."""

HEARTBEAT = ServerEvent("heartbeat", {}).encode()
SILENT_HEARTBEAT = Comment("heartbeat").encode()
"""For clients that take each ``data:`` line for one of their own."""


async def _following(events: AsyncIterator[Frames]) -> Frames | None:
    """The next event. Waiting can take hours, so its polls don't belong to the request's trace."""
    with suppress_instrumentation():
        return await anext(events, None)


def _wait_of(caller: Caller) -> float | None:
    """Seconds until it is to be seen whether the caller's credentials count; ``None`` if they always do.

    Not longer than :data:`VERIFY_SECONDS` if they can be verified again: the wall clock may be set back.
    """
    left = caller.seconds_left()
    return left if left is None or caller.verify_again is None else min(left, VERIFY_SECONDS)


async def _end(caller: Caller, stopping: asyncio.Event) -> None:
    """Return when the service stops, or when the caller's credentials don't count any more.

    Raises :class:`TransientError` if that can't be found out: who might be nobody gets nothing more.
    """
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _wait_of(caller))
        if stopping.is_set() or caller.verify_again is None:
            return
        try:
            again = await caller.verify_again()
        except PermanentError:
            return
        if again.user_id != caller.user_id:
            return
        caller = again


class TooManyStreams(TransientError):
    """HTTP 429: the caller has as many event streams as one user may have."""

    status = 429
    default_code = "too_many_streams"


TOO_MANY = {429: "The caller has too many event streams open. An `EventSource` gets an `error` event."}
"""For OpenAPI."""


class OpenStreams:
    """The event streams of a process: at most ``most``, and ``most_of_user`` for each user."""

    def __init__(self, most: int, most_of_user: int) -> None:
        self._most, self._most_of_user = most, most_of_user
        self._of_users: Counter[str] = Counter()

    @contextmanager
    def opened(self, user_id: str) -> Iterator[None]:
        """Count one in. Raises :class:`TooManyStreams`, or :class:`TransientError` for the whole process."""
        if self._of_users[user_id] >= self._most_of_user:
            raise TooManyStreams(f"You have {self._most_of_user} event streams open: close one, or try again")
        if self._of_users.total() >= self._most:
            raise TransientError("The service has too many event streams, try again")
        self._of_users[user_id] += 1
        try:
            yield
        finally:
            self._of_users[user_id] -= 1
            if not self._of_users[user_id]:
                del self._of_users[user_id]


def open_streams(request: Request) -> OpenStreams:
    """The event streams of the process that answers."""
    streams: OpenStreams = request.app.state.open_streams
    return streams


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
        frames = _frames(events, caller, request.app.state.stopping, heartbeat_seconds, heartbeat, farewell)
        super().__init__(frames, headers=STREAM_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._opened:
            async with aclosing(cast("AsyncGenerator[bytes, None]", self.body_iterator)) as frames:
                first = await anext(frames, b"")
                self.body_iterator = _resumed(first, frames)
                await super().__call__(scope, receive, send)


_STOPS = ("The service restarts: read again what there is", "stopping")
_UNKNOWN = ("Your credentials have expired", "not_authenticated")
_AWAY = "The service is temporarily unavailable, try again"


async def _resumed(first: bytes, frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for frame in frames:
        yield frame


async def _frames(
    events: AsyncIterator[Frames],
    caller: Caller,
    stopping: asyncio.Event,
    heartbeat_seconds: float,
    heartbeat: bytes,
    farewell: Farewell | None,
) -> AsyncGenerator[bytes, None]:
    """The encoded stream. An outage after the first frame is its last event; one before is raised."""
    begun = False
    following = asyncio.create_task(_following(events))
    stop = asyncio.create_task(_end(caller, stopping))
    try:
        while not stop.done():
            done, _ = await asyncio.wait(
                {following, stop}, timeout=heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if following in done:
                event = following.result()
                if event is None:
                    return
                yield event.encode()
                following = asyncio.create_task(_following(events))
            elif not done:
                yield heartbeat
            begun = True
        stop.result()
        if farewell is not None:
            yield farewell(*(_STOPS if stopping.is_set() else _UNKNOWN))
        elif stopping.is_set():
            yield RETRY + heartbeat
    except Exception as error:
        if begun and farewell is not None:
            yield farewell(_AWAY, "unavailable")
        if not begun or not is_transient(error):
            raise
        log.warning("event stream interrupted", error=repr(error))
        if farewell is None:
            yield error_event(_AWAY, 503)
    finally:
        for task in (following, stop):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
