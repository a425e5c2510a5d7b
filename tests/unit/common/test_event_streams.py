"""Event streams end with the service, with their events, and with their caller's credentials."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from servicekit.auth import Caller
from servicekit.sse import EventStream, OpenStreams, ServerEvent


async def quiet() -> AsyncIterator[ServerEvent]:
    yield ServerEvent("first", {})
    await asyncio.Event().wait()


async def read(caller: Caller, stopping: asyncio.Event | None = None) -> list[bytes]:
    request: Any = SimpleNamespace(
        app=SimpleNamespace(
            state=SimpleNamespace(stopping=stopping or asyncio.Event(), open_streams=OpenStreams(1, 1))
        )
    )
    response = EventStream(request, quiet(), caller)
    async with asyncio.timeout(20):
        return [bytes(chunk) async for chunk in response.body_iterator]  # type: ignore[arg-type]


@pytest.mark.parametrize("left", [0.3, 0.0, -60.0], ids=["soon", "now", "long ago"])
async def test_a_stream_ends_when_its_callers_credentials_do(left: float) -> None:
    """It waited for the next event for as long as the connection lasted."""
    frames = await read(Caller("ann", time.time() + left))
    assert len(frames) <= 1


async def test_a_stream_without_an_end_of_its_credentials_goes_on() -> None:
    stopping = asyncio.Event()
    reading = asyncio.create_task(read(Caller("ann"), stopping))
    await asyncio.sleep(0.2)
    assert not reading.done()
    stopping.set()
    assert await reading == [b"event: first\ndata: {}\n\n"]
