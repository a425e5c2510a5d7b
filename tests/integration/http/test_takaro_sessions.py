"""Takaro says whose a cookie is: seldom, safely, and never by guessing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import structlog
from opentelemetry import baggage, context

from common.errors import NotAuthenticated, TransientError
from servicekit.auth import takaro_sessions
from servicekit.auth.caller import Caller
from servicekit.auth.takaro_sessions import TakaroSessions
from servicekit.outgoing_http import open_http
from tests.support import without
from tests.support.github import Answer
from tests.support.takaro import Takaro, me, takaro_api
from tests.support.wait import eventually

COOKIE = "takaro-token=very-secret-4711; theme=dark"


@pytest.fixture
async def takaro() -> AsyncIterator[Takaro]:
    async with takaro_api() as api:
        api.sign_in(COOKIE, "ann")
        yield api


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with open_http() as client:
        yield client


@pytest.fixture
def sessions(takaro: Takaro, http: httpx.AsyncClient) -> TakaroSessions:
    return TakaroSessions(takaro.url, http)


async def who(sessions: TakaroSessions, cookie: str = COOKIE) -> Caller:
    return await sessions.caller(cookie.encode())


async def ask_together(sessions: TakaroSessions, takaro: Takaro, requests: int) -> list[Caller]:
    """Callers of requests that all come before Takaro answers."""
    takaro.gate.clear()
    asking = [asyncio.create_task(who(sessions)) for _ in range(requests)]

    async def asked() -> bool:
        return bool(takaro.calls)

    await eventually(asked)
    takaro.gate.set()
    return await asyncio.gather(*asking)


async def test_many_requests_of_one_cookie_are_one_call_and_later_ones_none(
    sessions: TakaroSessions, takaro: Takaro
) -> None:
    callers = await ask_together(sessions, takaro, 10)
    callers += [await who(sessions) for _ in range(10)]
    assert {(each.user_id, each.email, each.name, each.by_cookie) for each in callers} == {
        ("ann", "ann@example.org", "Ann", True)
    }
    assert len(takaro.calls) == 1
    left = callers[-1].seconds_left()
    assert left is not None
    assert left <= 60


async def test_without_one_call_for_many_there_are_many(
    sessions: TakaroSessions, takaro: Takaro, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.one_call_for_many(monkeypatch)
    await ask_together(sessions, takaro, 10)
    assert len(takaro.calls) == 10


async def test_without_remembering_each_request_is_a_call(
    sessions: TakaroSessions, takaro: Takaro, monkeypatch: pytest.MonkeyPatch
) -> None:
    without.remembered_sessions(monkeypatch)
    for _ in range(3):
        await who(sessions)
    assert len(takaro.calls) == 3


async def test_a_session_that_takaro_ended_counts_until_it_is_asked_again(
    sessions: TakaroSessions, takaro: Takaro, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = await who(sessions)
    takaro.sessions.clear()
    assert (await who(sessions)).user_id == "ann"
    monkeypatch.setattr(takaro_sessions, "REMEMBERED_SECONDS", 0.0)
    with pytest.raises(NotAuthenticated):
        await who(sessions)
    assert caller.verify_again is not None
    with pytest.raises(NotAuthenticated):
        await caller.verify_again()
    monkeypatch.undo()
    with pytest.raises(NotAuthenticated):
        await who(sessions)  # what was remembered is gone
    takaro.sign_in(COOKIE, "ann")
    monkeypatch.setattr(takaro_sessions, "REFUSED_SECONDS", 0.0)
    assert (await who(sessions)).user_id == "ann"


USER = {"id": "ann", "email": "ann@example.org", "name": "Ann"}
LIES = {
    "a failure": Answer(500, b"{}"),
    "overloaded": Answer(429, b"{}"),
    "a refusal that isn't a 401": Answer(403, b"{}"),
    "a redirect": Answer(302, b"", {"Location": "/login"}),
    "nothing": Answer(200, b""),
    "a page": Answer(200, b"<html>Down for maintenance</html>"),
    "half of it": Answer(200, me(USER).body, sent=40),
    "another form": Answer(200, b'{"data": [1]}'),
    "deep": Answer(200, b'{"data":' + b"[" * 50_000),
    "no user": Answer(200, json.dumps({"data": {"user": None}}).encode()),
    "no id": me(USER | {"id": None}),
    "a number as id": me(USER | {"id": 17}),
    "a blank id": me(USER | {"id": " "}),
    "an id that can't be stored": me(USER | {"id": "a\0b"}),
    "a long id": me(USER | {"id": "a" * 256}),
    "a long name": me(USER | {"name": "a" * 1_001}),
    "an email that is no text": me(USER | {"email": ["ann"]}),
    "too large": me(USER | {"more": "x" * 1_000_000}),
    "compressed": Answer(200, b"\x1f\x8b\x08\x00", {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
async def test_no_usable_answer_is_an_outage_and_no_refusal(
    lie: Answer, sessions: TakaroSessions, takaro: Takaro
) -> None:
    takaro.lie = lie
    with structlog.testing.capture_logs() as logs, pytest.raises(TransientError) as told:
        await who(sessions)
    assert "Takaro" in told.value.reason
    assert "very-secret" not in repr((logs, told.value, told.value.__cause__, told.value.__context__))
    assert [each["event"] for each in logs] == ["Takaro can't say who is calling"]
    takaro.lie = None
    assert (await who(sessions)).user_id == "ann"
    assert [call.path for call in takaro.calls] == ["/me", "/me"], "no redirect was followed"


async def test_a_takaro_that_is_gone_or_silent_is_an_outage(
    sessions: TakaroSessions, takaro: Takaro, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TransientError):
        await who(TakaroSessions("http://127.0.0.1:9", http))
    monkeypatch.setattr(takaro_sessions, "ANSWER_SECONDS", 0.05)
    takaro.gate.clear()
    with pytest.raises(TransientError):
        await who(sessions)


@pytest.mark.parametrize("detail", [{}, {"email": None, "name": None}])
async def test_a_user_without_a_name(
    detail: dict[str, Any], sessions: TakaroSessions, takaro: Takaro
) -> None:
    takaro.lie = me({"id": "ann", **detail})
    caller = await who(sessions)
    assert (caller.user_id, caller.email, caller.name) == ("ann", None, None)


async def test_a_request_that_is_given_up_doesnt_end_the_others_call(
    sessions: TakaroSessions, takaro: Takaro
) -> None:
    takaro.gate.clear()
    first, second = (asyncio.create_task(who(sessions)) for _ in range(2))

    async def asked() -> bool:
        return bool(takaro.calls)

    await eventually(asked)
    first.cancel()
    takaro.gate.set()
    assert (await second).user_id == "ann"
    assert len(takaro.calls) == 1


async def test_what_is_remembered_and_what_waits_is_bounded(
    sessions: TakaroSessions, takaro: Takaro, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(takaro_sessions, "REMEMBERED_SESSIONS", 3)
    for name in "abcdef":
        takaro.sign_in(f"takaro-token={name}", name)
        await who(sessions, f"takaro-token={name}")
    assert [each.caller.user_id for each in sessions._known.values()] == ["d", "e", "f"]
    monkeypatch.setattr(takaro_sessions, "CALLS_WAITING", 2)
    takaro.gate.clear()
    waiting = [asyncio.create_task(who(sessions, f"takaro-token={number}")) for number in range(2)]
    await asyncio.sleep(0)  # each has begun
    with pytest.raises(TransientError, match="wait for Takaro"):
        await who(sessions, "takaro-token=a")
    takaro.gate.set()
    refused = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in refused] == [NotAuthenticated] * 2
    assert not sessions._asking


async def test_the_cookie_alone_goes_to_takaro_and_nobody_elses(
    sessions: TakaroSessions, takaro: Takaro, http: httpx.AsyncClient
) -> None:
    token = context.attach(baggage.set_baggage("user", "secret"))
    try:
        await who(sessions)
    finally:
        context.detach(token)
    await http.get(f"{takaro.url}/me")
    first, second = takaro.calls
    assert first.headers["cookie"] == COOKIE
    assert first.headers.keys() == {"host", "accept", "accept-encoding", "connection", "user-agent", "cookie"}
    assert "cookie" not in second.headers, "a cookie that Takaro set isn't kept"
