"""Servers that aren't quite Takaro: what they say and where they point to does no harm."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from cockpit.servers.connected import become_failed, become_named, become_stopped
from common.postgres import Connection, Pool, transaction
from takaro_connector_suite.takaro import Takaro
from tests.integration.cockpit.conftest import Converse
from tests.integration.cockpit.connector.conftest import TOKEN, Start, is_status, user_of

Handler: TypeAlias = Callable[[ServerConnection], Awaitable[None]]
LONG_PAUSE = "30"


@asynccontextmanager
async def other_side(handler: Handler, redirect_to: str | None = None) -> AsyncIterator[str]:
    """The address of a server that isn't Takaro."""

    def redirect(_: ServerConnection, __: Request) -> Response | None:
        return Response(302, "Found", Headers({"Location": redirect_to})) if redirect_to else None

    async with serve(handler, "127.0.0.1", 0, process_request=redirect) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/"


async def repeat_the_token(socket: ServerConnection) -> None:
    await socket.send('{"type": "connected", "payload": {}}')
    await socket.recv()
    await socket.close(1008, f"bad token {TOKEN}")


async def hang_up(socket: ServerConnection) -> None:
    await socket.close()


async def test_why_a_socket_was_closed_is_told_without_the_other_sides_words(
    start: Start, converse: Converse, pool: Pool
) -> None:
    async with other_side(repeat_the_token) as url:
        service = await start(TAKARO_CONNECT_URL=url, TAKARO_START_TIMEOUT_SECONDS="1")
        async with user_of(service, converse) as ann:
            await ann.start()
            failed = await is_status(ann, "error")
    assert failed["reason"].endswith("closed with code 1008")
    assert TOKEN not in service.log_file.read_text()
    assert TOKEN not in str(await pool.fetch("SELECT * FROM cockpit_sessions"))


async def test_a_redirection_is_not_followed(start: Start, takaro: Takaro, converse: Converse) -> None:
    """Otherwise whoever answers at the operator's address sends a process anywhere, with the token."""
    async with other_side(hang_up, redirect_to=takaro.url) as url:
        service = await start(TAKARO_CONNECT_URL=url, TAKARO_START_TIMEOUT_SECONDS="1")
        async with user_of(service, converse) as ann:
            await ann.start()
            assert "HTTP 302" in (await is_status(ann, "error"))["reason"]
    assert takaro.identities == []


async def test_a_server_that_starts_waits_between_its_attempts_too(start: Start, converse: Converse) -> None:
    attempts: list[ServerConnection] = []

    async def note(socket: ServerConnection) -> None:
        attempts.append(socket)
        await hang_up(socket)

    async with other_side(note) as url:
        service = await start(
            TAKARO_CONNECT_URL=url, TAKARO_START_TIMEOUT_SECONDS="4", TAKARO_RECONNECT_SECONDS=LONG_PAUSE
        )
        async with user_of(service, converse) as ann:
            await ann.start()
            await is_status(ann, "error")
    assert len(attempts) == 1


Change: TypeAlias = Callable[[Connection], Awaitable[bool]]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda connection: become_named(connection, "gone", "g-1"), id="named"),
        pytest.param(lambda connection: become_stopped(connection, "gone"), id="stopped"),
        pytest.param(lambda connection: become_failed(connection, "gone", "refused"), id="failed"),
    ],
)
async def test_a_connection_changes_nothing_for_a_user_who_was_erased(pool: Pool, change: Change) -> None:
    """Otherwise the row of a server would come back after the erasure has said that nothing is left."""
    async with transaction(pool) as connection:
        assert not await change(connection)
    assert await pool.fetchval("SELECT count(*) FROM cockpit_game_servers WHERE user_id = 'gone'") == 0
