"""The WebSocket twin of an event stream: the same events, credentials and limits."""

import asyncio
import json
import re
import socket as sockets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import jwt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.http.test_too_many import Session, ask, connection, session, streaming
from tests.support.raw_http import connected
from tests.support.services import Service, running
from tests.support.wait import eventually

__all__ = ["connection", "session"]
SECRET = "a secret of more than thirty-two bytes"


@asynccontextmanager
async def opened(
    service: Service, path: str, user: str | None = "ann", **headers: str
) -> AsyncIterator[ClientConnection]:
    own = {"X-User-Id": user} if user else {}
    sent = own | {name.replace("_", "-"): value for name, value in headers.items()}
    address = service.url.replace("http://", "ws://") + path
    async with connect(address, additional_headers=sent, proxy=None, max_size=None) as socket:
        yield socket


async def refusal(service: Service, path: str, user: str | None = "ann", **headers: str) -> tuple[int, str]:
    """Status and error of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with opened(service, path, user, **headers):
            pass
    answer = refused.value.response
    return answer.status_code, json.loads(answer.body or b"")["error"]


async def frame(socket: ClientConnection) -> Any:
    return json.loads(await socket.recv())


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """Code and reason, after whatever comes before."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def has_place(service: Service, path: str) -> bool:
    """Whether its user may open one more."""
    try:
        async with opened(service, path) as socket:
            return bool(await frame(socket))
    except InvalidStatus:
        return False


async def dropped(service: Service) -> float:
    """Connections that took nothing for too long, so far."""
    async with service.client() as client:
        metrics = (await client.get("/metrics")).text
    found = re.search(r'takaro_http_cut_total\{reason="answer not taken"\} (\S+)', metrics)
    return float(found[1]) if found else 0


async def say(service: Service, path: str, text: str) -> None:
    server = path.removesuffix("/events") + "/mock-server"
    async with service.client("ann") as client:
        (await client.post(f"{server}/start")).raise_for_status()
        (await client.post(f"{server}/command", json={"command": f"say {text}"})).raise_for_status()


async def until_said(socket: ClientConnection, text: str) -> list[Any]:
    frames: list[Any] = []
    while not frames or frames[-1]["data"].get("meta", {}).get("msg") != text:
        frames.append(await frame(socket))
    return frames


async def test_it_tells_what_the_stream_tells_and_goes_on_where_it_was(
    cockpit: Service, session: Session
) -> None:
    path = await session("ann")
    async with opened(cockpit, path) as socket:
        first = await frame(socket)
        assert first["event"] == "connected"
        assert "id" not in first
        await say(cockpit, path, "one")
        told = await until_said(socket, "one")
        assert [int(each["id"]) for each in told] == sorted({int(each["id"]) for each in told})
    async with streaming(cockpit, path, "ann") as stream:
        sent = b""
        while b'"one"' not in sent:
            sent += await stream.some()
        assert f"id: {told[-1]['id']}\n".encode() in sent
    await say(cockpit, path, "two")
    last = told[-1]["id"]
    for resumed in (
        opened(cockpit, f"{path}?lastEventId={last}"),
        opened(cockpit, f"{path}?lastEventId=0", Last_Event_ID=last),
    ):
        async with resumed as socket:
            assert (await frame(socket))["event"] == "connected"
            missed = await until_said(socket, "two")
            assert int(missed[0]["id"]) > int(last)
            assert "one" not in json.dumps(missed)


async def test_a_handshake_is_refused_as_a_request_is(cockpit: Service, session: Session) -> None:
    path = await session("ann")
    assert await refusal(cockpit, path, None) == (401, "Not authenticated")
    assert (await refusal(cockpit, path, "mallory"))[0] == 403
    known = path.split("/")[-2]
    assert (await refusal(cockpit, path.replace(known, "no-uuid")))[0] == 400
    missing = path.replace(known, "0190b5a0-0000-7000-8000-000000000001")
    assert await refusal(cockpit, missing) == (404, "Session not found")


async def test_another_sites_page_cant_open_one_with_a_persons_cookie(
    cockpit: Service, session: Session
) -> None:
    path = await session("ann")
    cookie = "takaro_login=ann"
    assert (await refusal(cockpit, path, None, Cookie=cookie))[0] == 403
    assert (await refusal(cockpit, path, None, Cookie=cookie, Origin="http://evil.test"))[0] == 403
    async with opened(cockpit, path, None, Cookie=cookie, Origin=cockpit.url) as socket:
        assert (await frame(socket))["event"] == "connected"


async def test_it_has_its_place_among_the_event_streams(cockpit: Service, session: Session) -> None:
    path, other = await session("ann"), await session("bob")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(streaming(cockpit, path, "ann"))
        await frame(await stack.enter_async_context(opened(cockpit, path)))
        status, error = await refusal(cockpit, path)
        assert status == 429
        assert "2 event streams" in error
        assert (await ask(cockpit, path, "ann")).status == 429
        await frame(await stack.enter_async_context(opened(cockpit, other, "bob")))
        assert (await refusal(cockpit, other, "bob"))[0] == 503

    await eventually(lambda: has_place(cockpit, path))


async def test_too_many_connections_are_told_over_http(cockpit: Service, session: Session) -> None:
    path = await session("ann")

    async def refused() -> bool:
        async with AsyncExitStack() as stack:
            for _ in range(6):
                await stack.enter_async_context(connected(cockpit))
            return (await refusal(cockpit, path))[0] == 503

    await eventually(refused)


async def test_the_time_limit_of_headers_ends_with_them(cockpit: Service, session: Session) -> None:
    """A connection that was made later, and sends nothing, is closed first."""
    path = await session("ann")
    async with opened(cockpit, path) as socket, connected(cockpit) as idle:
        await frame(socket)
        assert await idle.rest() == b""
        await say(cockpit, path, "still here")
        await until_said(socket, "still here")


async def test_it_takes_no_messages(cockpit: Service, session: Session) -> None:
    path = await session("ann")
    async with opened(cockpit, path) as socket:
        await socket.send('{"command": "say hi"}')
        assert await closed(socket) == (1003, "This socket takes no messages")
    async with opened(cockpit, path) as socket:
        await socket.send("x" * 100_000)
        assert (await closed(socket))[0] == 1009


async def test_who_takes_nothing_is_dropped(
    cockpit: Service, session: Session, connection: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """20 MB of events wait in the table, and not in the process."""
    path, other = await session("ann"), await session("ann")
    before = await dropped(cockpit)
    await connection.execute(
        "INSERT INTO cockpit_events (session_id, event_name, meta) "
        "SELECT $1, 'chat-message', jsonb_build_object('msg', repeat('x', 50000)) "
        "FROM generate_series(1, 400)",
        path.split("/")[-2],
    )
    host, _, port = cockpit.url.removeprefix("http://").partition(":")
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    raw.connect((host, int(port)))
    with raw:
        head = (
            f"GET {path}?lastEventId=0 HTTP/1.1\r\nHost: {host}\r\nX-User-Id: ann\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await asyncio.to_thread(raw.sendall, head.encode())
        async with opened(cockpit, other) as reading:
            assert (await frame(reading))["event"] == "connected"
            assert (await refusal(cockpit, other))[0] == 429
            await eventually(lambda: has_place(cockpit, other))
    assert await dropped(cockpit) == before + 1, "not by the ping that it didn't answer"


async def test_it_ends_with_the_token_and_with_the_service(
    package_database: str, redis_url: str, tmp_path: Path
) -> None:
    environment = {"AUTH_MODE": "jwt", "JWT_SECRET": SECRET}
    async with (
        running(
            "cockpit",
            database_url=package_database,
            redis_url=f"{redis_url}/9",
            folder=tmp_path,
            environment=environment,
        ) as service,
        asyncpg.create_pool(package_database, min_size=1, max_size=1) as pool,
    ):
        conversation = await pool.fetchval(
            "INSERT INTO conversations (agent_id, agent_version, user_id) VALUES ('a', 'b', 'ann') "
            "RETURNING id"
        )

        def bearer(seconds: int) -> str:
            return f"Bearer {jwt.encode({'sub': 'ann', 'exp': int(time.time()) + seconds}, SECRET)}"

        async with service.client() as client:
            found = await client.get(
                f"/api/cockpit/sessions/{conversation}", headers={"Authorization": bearer(600)}
            )
        path = f"/api/cockpit/sessions/{found.raise_for_status().json()['data']['id']}/events"
        async with opened(service, path, None, Authorization=bearer(3)) as socket:
            assert (await frame(socket))["event"] == "connected"
            assert await closed(socket) == (1008, "Your credentials have expired")
        async with opened(service, path, None, Authorization=bearer(600)) as socket:
            assert (await frame(socket))["event"] == "connected"
            _, ended = await asyncio.gather(service.stop(), closed(socket))
            assert ended[0] == 1012
