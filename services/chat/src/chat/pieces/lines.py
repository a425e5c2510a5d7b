"""Reads JSON Lines from a request as they come, however long it takes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from time import monotonic

from fastapi import Request
from starlette.requests import ClientDisconnect

from chat.pieces.rules import too_long
from common.errors import Invalid, TransientError

LINES_AT_ONCE = 500


async def read_lines(
    request: Request, line_bytes: int, idle_seconds: float
) -> AsyncGenerator[list[bytes], None]:
    """The lines that came together, without those that are empty; none of them when no line came for
    ``idle_seconds``. What comes meanwhile waits with the sender.

    Raises :class:`TooLarge` for a line over ``line_bytes``, :class:`Invalid` if the request breaks off within
    a line, and :class:`TransientError` when the service stops.
    """
    stopping: asyncio.Event = request.app.state.stopping
    stop = asyncio.create_task(stopping.wait())
    body = request.stream()
    rest, told = b"", monotonic()
    receive: asyncio.Task[bytes | None] | None = None
    try:
        while True:
            receive = receive or asyncio.create_task(_next(body))
            left = max(0.0, told + idle_seconds - monotonic())
            done, _ = await asyncio.wait({receive, stop}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if receive not in done:
                if done:
                    raise TransientError("The service stops: send what comes after the last piece again")
                yield []
                told = monotonic()
                continue
            received, receive = receive.result(), None
            *lines, rest = (rest + (received or b"")).split(b"\n")
            if received is None and rest:
                lines, rest = [*lines, rest], b""
            if any(len(line) > line_bytes for line in (*lines, rest)):
                raise too_long(line_bytes)
            lines = [line for line in lines if line.strip()]
            for start in range(0, len(lines), LINES_AT_ONCE):
                yield lines[start : start + LINES_AT_ONCE]
                told = monotonic()
            if received is None:
                return
            if monotonic() - told >= idle_seconds:  # what comes is no line
                yield []
                told = monotonic()
    except ClientDisconnect:
        raise Invalid("The body broke off") from None
    finally:
        for task in (stop, receive):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task


async def _next(body: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(body, None)
