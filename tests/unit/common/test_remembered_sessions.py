"""For how long an answer of Takaro counts."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from common.errors import NotAuthenticated, TransientError
from servicekit.auth import takaro_me, takaro_sessions
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


async def test_strangers_keep_no_user_waiting(
    sessions: TakaroSessions, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.users["a=1"] = "ann"
    await sessions.caller(b"a=1")
    api.open.clear()
    monkeypatch.setattr(takaro_sessions, "CALLS_WAITING", 30)
    monkeypatch.setattr(takaro_sessions, "REMEMBERED_SECONDS", 0.0)
    strangers = [asyncio.create_task(sessions.caller(f"s={number}".encode())) for number in range(30)]
    await asyncio.sleep(0)  # each has begun
    with pytest.raises(TransientError):
        await sessions.caller(b"s=30")
    async with asyncio.timeout(2):
        assert (await sessions.caller(b"a=1")).user_id == "ann"
    api.open.set()
    refused = await asyncio.gather(*strangers, return_exceptions=True)
    assert {type(each) for each in refused} == {NotAuthenticated}


async def test_a_user_stays_known_through_an_outage(
    sessions: TakaroSessions, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.users["a=1"] = "ann"
    await sessions.caller(b"a=1")
    monkeypatch.setattr(takaro_sessions, "REMEMBERED_SECONDS", 0.0)
    monkeypatch.setattr(takaro_me, "MAX_BYTES", 1)
    with pytest.raises(TransientError):
        await sessions.caller(b"a=1")
    assert len(sessions._known) == 1


async def test_a_refusal_is_remembered_for_a_moment(
    sessions: TakaroSessions, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takaro_sessions, "REFUSED_SESSIONS", 2)
    for cookie in (b"a=1", b"a=1", b"b=1", b"c=1"):
        with pytest.raises(NotAuthenticated):
            await sessions.caller(cookie)
    assert api.calls == ["a=1", "b=1", "c=1"]
    assert len(sessions._refused) == 2
    api.users["c=1"] = "cat"
    monkeypatch.setattr(takaro_sessions, "REFUSED_SECONDS", 0.0)
    assert (await sessions.caller(b"c=1")).user_id == "cat"
    assert len(sessions._refused) == 1
