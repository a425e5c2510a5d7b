"""Follows what happens for one reader, over whatever carries it there: server-sent events or a WebSocket.

It goes on until the events end, the service stops, or the reader's credentials don't count any more.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Protocol, TypeVar

import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from starlette.requests import HTTPConnection

from common.errors import PermanentError, TransientError, is_transient
from servicekit.auth import Caller

log = structlog.get_logger()


class Frames(Protocol):
    """What a stream sends at a time: one event or several."""

    def encode(self) -> bytes:
        """In the format of ``text/event-stream``."""


F = TypeVar("F", bound=Frames)


class Quiet(Enum):
    """Nothing has happened for a while."""

    QUIET = "quiet"


class End(Enum):
    """Why a stream ends before its events do."""

    STOPPING = "the service stops"
    EXPIRED = "the credentials expired"
    AWAY = "something that the service needs is away"


AWAY = "The service is temporarily unavailable, try again"

VERIFY_SECONDS = 60.0
"""Longest time between two looks at credentials that can be verified again."""


async def _following(events: AsyncIterator[F]) -> F | None:
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


def open_streams(request: HTTPConnection) -> OpenStreams:
    """The event streams of the process that answers."""
    streams: OpenStreams = request.app.state.open_streams
    return streams


async def follow(
    events: AsyncIterator[F], caller: Caller, stopping: asyncio.Event, quiet_seconds: float
) -> AsyncGenerator[F | Quiet | End, None]:
    """Each event as it comes; ``QUIET`` when there was none for ``quiet_seconds``; last, if the events didn't
    end by themselves, why.

    The stream ends when the caller's credentials expire. Credentials that can be verified again are
    (:attr:`Caller.verify_again`), and it goes on while they count. An error before the first step is raised;
    a later one is the end ``AWAY``, and is raised after it unless it is an outage.
    """
    begun = False
    following = asyncio.create_task(_following(events))
    stop = asyncio.create_task(_end(caller, stopping))
    try:
        while not stop.done():
            done, _ = await asyncio.wait(
                {following, stop}, timeout=quiet_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if following in done:
                event = following.result()
                if event is None:
                    return
                yield event
                following = asyncio.create_task(_following(events))
            elif not done:
                yield Quiet.QUIET
            begun = True
        stop.result()
        yield End.STOPPING if stopping.is_set() else End.EXPIRED
    except Exception as error:
        if not begun:
            raise
        if is_transient(error):
            log.warning("event stream interrupted", error=repr(error))
        yield End.AWAY
        if not is_transient(error):
            raise
    finally:
        for task in (following, stop):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
