"""Server-sent events that end when the service stops or the client disconnects."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from opentelemetry.instrumentation.utils import suppress_instrumentation
from starlette.responses import StreamingResponse

from common import codec
from servicekit.auth import Caller

_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


@dataclass(slots=True, frozen=True)
class ServerEvent:
    """One event of a stream. A client that reconnects sends ``id`` back in ``Last-Event-ID``."""

    event: str
    data: Any
    id: str | None = None

    def encode(self) -> bytes:
        """The event in the format of ``text/event-stream``."""
        head = f"id: {self.id}\n" if self.id is not None else ""
        return f"{head}event: {self.event}\ndata: ".encode() + codec.dumps(self.data) + b"\n\n"


async def _following(events: AsyncIterator[ServerEvent]) -> ServerEvent | None:
    """The next event. Waiting can take hours, so its polls don't belong to the request's trace."""
    with suppress_instrumentation():
        return await anext(events, None)


async def _wait(event: asyncio.Event, longest_seconds: float | None) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), longest_seconds)


def event_stream(
    request: Request, events: AsyncIterator[ServerEvent], caller: Caller, *, heartbeat_seconds: float = 30
) -> StreamingResponse:
    """Send ``events`` as they come, and a ``heartbeat`` when there was none for a while.

    The stream ends when the caller's credentials expire; a client with new ones reconnects. It also ends when
    the service stops (``app.state.stopping``); clients reconnect with ``Last-Event-ID``.
    """
    stopping: asyncio.Event = request.app.state.stopping

    async def body() -> AsyncIterator[bytes]:
        following = asyncio.create_task(_following(events))
        stop = asyncio.create_task(_wait(stopping, caller.seconds_left()))
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
                    yield ServerEvent("heartbeat", {}).encode()
        finally:
            for task in (following, stop):
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    return StreamingResponse(body(), media_type="text/event-stream", headers=_HEADERS)
