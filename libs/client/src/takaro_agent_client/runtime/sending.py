"""Sends the pieces of a turn, in one long request after the other.

A request ends when its pieces are to be confirmed: after :data:`CONFIRM_BYTES` or :data:`CONFIRM_SECONDS`.
Its answer says which is the last one that is stored, or that the turn is over; before the request's end it
can't be read. What isn't confirmed when a connection breaks is sent again; the service ignores a number that
it has.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from time import monotonic
from typing import Any

from takaro_agent_client.async_client import AsyncClient
from takaro_agent_client.calls import Call
from takaro_agent_client.errors import ClientError
from takaro_agent_client.models import ShownPieces
from takaro_agent_client.retries import passes
from takaro_agent_client.uploads import Body, json_line

log = logging.getLogger(__name__)

CONFIRM_BYTES = 262_144
CONFIRM_SECONDS = 3.0
MAX_UNCONFIRMED_BYTES = 1_048_576
"""Who shows more has to wait until the service has confirmed some."""
MAX_PAUSE_SECONDS = 2.0


class Sender:
    """Numbers pieces and sends them in order, until :meth:`run` is cancelled. ``call`` makes the request of
    a body."""

    def __init__(self, client: AsyncClient, call: Callable[[Body], Call[ShownPieces]]) -> None:
        self._client, self._call = client, call
        self._first = 1
        self._lines: list[bytes] = []
        self._bytes = 0
        self._flushing = 0
        self._failure: ClientError | None = None
        self._changed = asyncio.Condition()

    @property
    def failure(self) -> ClientError | None:
        """Why nothing more can be sent."""
        return self._failure

    async def put(self, piece: Mapping[str, Any]) -> None:
        """Send the piece, with the next number; waits while too much isn't confirmed. Raises what made
        sending fail."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._failure or self._bytes < MAX_UNCONFIRMED_BYTES)
            self._raise()
            line = json_line({"number": self._first + len(self._lines), **piece})
            self._lines.append(line)
            self._bytes += len(line)
            self._changed.notify_all()

    async def flush(self) -> None:
        """Wait until everything is confirmed. Raises as :meth:`put`."""
        async with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                await self._changed.wait_for(lambda: self._failure or not self._lines)
                self._raise()
            finally:
                self._flushing -= 1

    async def run(self) -> None:
        """Send until cancelled, or until the service refuses a piece for good."""
        failures = 0
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._lines)
            try:
                shown = await self._client.send(self._call(_Unconfirmed(self)))
            except ClientError as error:
                if not passes(error):
                    await self._fail(error)
                    return
                failures += 1
                log.warning("pieces can't be sent, trying again: %s", error)
                pause = self._client.settings.retrying.backoff(failures)
                await asyncio.sleep(min(pause, MAX_PAUSE_SECONDS))
            else:
                failures = 0
                await self._confirm(shown.last_number)

    async def _fail(self, error: ClientError) -> None:
        async with self._changed:
            self._failure = error
            self._changed.notify_all()

    async def _confirm(self, number: int) -> None:
        async with self._changed:
            confirmed = max(0, number - self._first + 1)
            self._bytes -= sum(map(len, self._lines[:confirmed]))
            del self._lines[:confirmed]
            self._first += confirmed
            self._changed.notify_all()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def lines(self) -> AsyncIterator[bytes]:
        """The body of one request: what isn't confirmed, and what comes until it is time for the answer."""
        following, sent, until = self._first, 0, monotonic() + CONFIRM_SECONDS
        while True:
            if lines := b"".join(self._lines[following - self._first :]):
                following = self._first + len(self._lines)
                sent += len(lines)
                yield lines
            if self._flushing or sent >= CONFIRM_BYTES or not await self._grows(following, until):
                return

    async def _grows(self, following: int, until: float) -> bool:
        def news() -> bool:
            return bool(self._flushing) or self._first + len(self._lines) > following

        if monotonic() >= until:
            return False
        try:
            async with asyncio.timeout(until - monotonic()), self._changed:
                await self._changed.wait_for(news)
        except TimeoutError:
            return False
        return True


class _Unconfirmed:
    """The body of a request: each attempt begins with what isn't confirmed."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def chunks(self) -> Iterator[bytes]:
        raise TypeError("pieces are sent by an AsyncClient")

    def chunks_async(self) -> AsyncIterator[bytes]:
        return self._sender.lines()
