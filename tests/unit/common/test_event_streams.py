"""Event streams end with the service, with their events, and with their caller's credentials."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import NotAuthenticated, TransientError
from servicekit import live
from servicekit.auth import Caller
from servicekit.live import OpenStreams
from servicekit.sse import EventStream, ServerEvent

COME_BACK = b"retry: 5000\nevent: heartbeat\ndata: {}\n\n"
"""What a stream says last when its service stops."""


async def quiet() -> AsyncIterator[ServerEvent]:
    yield ServerEvent("first", {})
    await asyncio.Event().wait()


async def read(
    caller: Caller, stopping: asyncio.Event | None = None, events: AsyncIterator[ServerEvent] | None = None
) -> list[bytes]:
    request: Any = SimpleNamespace(
        app=SimpleNamespace(
            state=SimpleNamespace(stopping=stopping or asyncio.Event(), open_streams=OpenStreams(1, 1))
        )
    )
    response = EventStream(request, events or quiet(), caller)
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
    assert await reading == [b"event: first\ndata: {}\n\n", COME_BACK]


def verified_anew(answers: Sequence[Caller | Exception]) -> Caller:
    """Somebody whose credentials have expired, and what is found out about them each time they do."""
    left = iter(answers)

    async def again() -> Caller:
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return Caller(found.user_id, found.expires_at, verify_again=again)

    return Caller("ann", time.time(), verify_again=again)


EXPIRED = Caller("ann", 0.0)


async def test_a_stream_goes_on_while_its_callers_cookie_counts() -> None:
    stopping = asyncio.Event()
    reading = asyncio.create_task(read(verified_anew([EXPIRED, EXPIRED, Caller("ann")]), stopping))
    await asyncio.sleep(0.2)
    assert not reading.done()
    stopping.set()
    assert await reading == [b"event: first\ndata: {}\n\n", COME_BACK]


async def test_a_clock_that_was_set_back_lets_nobody_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "VERIFY_SECONDS", 0.01)
    seemingly_long = Caller("ann", time.time() + 100_000)
    assert len(await read(verified_anew([seemingly_long, NotAuthenticated("")]))) <= 1


@pytest.mark.parametrize(
    "answers",
    [[NotAuthenticated("")], [EXPIRED, NotAuthenticated("")], [Caller("ben")]],
    ids=["signed out", "signed out later", "somebody else"],
)
async def test_a_stream_ends_when_its_callers_cookie_counts_no_more(
    answers: list[Caller | Exception],
) -> None:
    assert len(await read(verified_anew(answers))) <= 1


async def test_a_stream_ends_with_an_error_when_it_cant_be_known_whether_the_cookie_counts() -> None:
    away = asyncio.Event()

    async def later() -> Caller:
        await away.wait()
        raise TransientError("Takaro is away")

    async def told() -> AsyncIterator[ServerEvent]:
        yield ServerEvent("first", {})
        away.set()
        await asyncio.Event().wait()

    *_, last = await read(Caller("ann", 0.0, verify_again=later), events=told())
    assert b"event: error" in last
    assert b'"status":503' in last
