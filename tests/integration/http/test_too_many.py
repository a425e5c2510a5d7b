"""Connections and event streams have a bound. Those over it are told to come back, an EventSource too."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

import asyncpg
import pytest

from tests.support.raw_http import RawAnswer, RawConnection, connected, request
from tests.support.services import Service
from tests.support.wait import eventually

EVENT_SOURCE = "Accept: text/event-stream"
LIMIT = 6
Session: TypeAlias = Callable[[str], Awaitable[str]]


@pytest.fixture
async def connection(package_database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    opened = await asyncpg.connect(package_database)
    yield opened
    await opened.close()


@pytest.fixture
def session(cockpit: Service, connection: "asyncpg.Connection[asyncpg.Record]") -> Session:
    """Opens a session of a user's own conversation; the path of its events."""

    async def open_session(user: str) -> str:
        conversation = await connection.fetchval(
            "INSERT INTO conversations (agent_id, agent_version, user_id) VALUES ('a', 'b', $1) RETURNING id",
            user,
        )
        async with cockpit.client(user) as client:
            answer = await client.get(f"/api/cockpit/sessions/{conversation}")
        return f"/api/cockpit/sessions/{answer.json()['data']['id']}/events"

    return open_session


async def ask(service: Service, path: str, user: str, *headers: str) -> RawAnswer:
    """The answer to a GET, with the body up to the end of the connection."""
    async with connected(service) as asking:
        await asking.send(request(f"GET {path}", *headers, "Connection: close", user=user))
        answer = await asking.answer()
        return RawAnswer(answer.status, answer.headers, answer.body + await asking.rest())


@asynccontextmanager
async def streaming(service: Service, path: str, user: str) -> AsyncIterator[RawConnection]:
    """An event stream that has begun."""
    async with connected(service) as stream:
        await stream.send(request(f"GET {path}", EVENT_SOURCE, user=user))
        assert (await stream.answer()).headers["content-type"].startswith("text/event-stream")
        yield stream


def expect_told_to_come_back(answer: RawAnswer, status: int) -> None:
    """A stream with one event, which an EventSource survives."""
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    retry, event, data = answer.body.decode().strip().split("\n")
    assert retry.startswith("retry: ")
    assert event == "event: error"
    assert f'"status":{status}' in data


async def test_a_user_with_too_many_streams(cockpit: Service, session: Session) -> None:
    path = await session("ann")
    async with streaming(cockpit, path, "ann"), streaming(cockpit, path, "ann"):
        refused = await ask(cockpit, path, "ann")
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert "2 event streams" in refused.json["error"]
        expect_told_to_come_back(await ask(cockpit, path, "ann", EVENT_SOURCE), 429)
        async with streaming(cockpit, await session("bob"), "bob"):
            pass

    async def again() -> bool:
        async with streaming(cockpit, path, "ann"):
            return True

    await eventually(again)


async def test_a_service_with_too_many_streams(cockpit: Service, session: Session) -> None:
    path, other = await session("ann"), await session("bob")
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(streaming(cockpit, path, "ann"))
        await stack.enter_async_context(streaming(cockpit, other, "bob"))
        refused = await ask(cockpit, other, "bob")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        expect_told_to_come_back(await ask(cockpit, other, "bob", EVENT_SOURCE), 503)


@pytest.mark.parametrize("table", ["cockpit_sessions", "cockpit_events"])
async def test_a_stream_that_cant_start_yet(
    cockpit: Service, session: Session, connection: "asyncpg.Connection[asyncpg.Record]", table: str
) -> None:
    """Whether it fails before its first event, or while the first event is read."""
    path = await session("ann")
    async with connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        assert (await ask(cockpit, path, "ann")).status == 503
        expect_told_to_come_back(await ask(cockpit, path, "ann", EVENT_SOURCE), 503)
    async with streaming(cockpit, path, "ann"):
        pass


async def test_what_wont_change_keeps_its_status(cockpit: Service, session: Session) -> None:
    path = await session("ann")
    assert (await ask(cockpit, path, "mallory", EVENT_SOURCE)).status in (403, 404)
    assert (await ask(cockpit, path, "", EVENT_SOURCE)).status == 401
    missing = path.replace(path.split("/")[-2], "0190b5a0-0000-7000-8000-000000000001")
    assert (await ask(cockpit, missing, "ann", EVENT_SOURCE)).status == 404


async def test_other_routes_have_no_event_sources(
    cockpit: Service, session: Session, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    path = (await session("ann")).removesuffix("/events") + "/mock-server/status"
    async with connection.transaction():
        await connection.execute("LOCK TABLE cockpit_sessions IN ACCESS EXCLUSIVE MODE")
        assert (await ask(cockpit, path, "ann", EVENT_SOURCE)).status == 503


async def test_too_many_connections(cockpit: Service, session: Session) -> None:
    path = await session("ann")
    async with AsyncExitStack() as stack:
        command = path.removesuffix("/events") + "/mock-server/command"
        for _ in range(LIMIT):
            holding = await stack.enter_async_context(connected(cockpit))
            await holding.send(request(f"POST {command}", "Content-Length: 1000"))

        async def refused() -> RawAnswer:
            answer = await ask(cockpit, "/health", "ann")
            assert answer.status == 503
            return answer

        answer = await eventually(refused)
        assert (answer.headers["connection"], answer.headers["retry-after"]) == ("close", "1")
        assert "too many connections" in answer.json["error"]
        expect_told_to_come_back(await ask(cockpit, path, "ann", EVENT_SOURCE), 503)
        # Very many aren't even read.
        flood = [await stack.enter_async_context(connected(cockpit)) for _ in range(150)]
        ended = [asyncio.create_task(each.rest()) for each in flood]
        done, waiting = await asyncio.wait(ended, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        assert all(b"503 Service Unavailable" in task.result() for task in done)
        for task in waiting:
            task.cancel()

    async def works() -> bool:
        return (await ask(cockpit, "/health", "ann")).status == 200

    await eventually(works)


async def test_a_stream_outlives_every_time_limit(cockpit: Service, session: Session) -> None:
    """Its connection sends no further request, and is quiet for longer than any limit."""
    path = await session("ann")
    async with streaming(cockpit, path, "ann") as stream:
        for _ in range(2):  # each is closed at the time limit of headers, the longest of them
            async with connected(cockpit) as silent:
                assert await silent.rest() == b""
        async with cockpit.client("ann") as client:
            start = path.removesuffix("/events") + "/mock-server/start"
            assert (await client.post(start)).status_code == 200
        received = b""

        async def told() -> bool:
            nonlocal received
            received += await stream.some()
            return b"event: status" in received

        await eventually(told)
