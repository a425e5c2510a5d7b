"""For how long an answer of Takaro counts."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from servicekit.auth.takaro_sessions import TakaroSessions
from tests.support.takaro import me


class Api:
    """Takaro's: it knows whose cookies these are, and counts the calls."""

    def __init__(self) -> None:
        self.users: dict[str, str] = {}
        self.calls: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        cookie = request.headers["cookie"]
        self.calls.append(cookie)
        if cookie not in self.users:
            await self.open.wait()
            return httpx.Response(401)
        return httpx.Response(200, stream=httpx.ByteStream(me({"id": self.users[cookie]}).body))


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def sessions(api: Api) -> AsyncIterator[TakaroSessions]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(api)) as http:
        yield TakaroSessions("http://takaro.test", http)


async def test_after_a_step_of_the_clock_takaro_is_asked(
    sessions: TakaroSessions, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The age alone still counted: a stream asked again and again, without a pause."""
    api.users["a=1"] = "ann"
    await sessions.caller(b"a=1")
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3_600)
    assert (await sessions.caller(b"a=1")).seconds_left() != 0
    assert len(api.calls) == 2
