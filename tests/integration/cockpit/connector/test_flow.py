"""A Takaro that takes nothing, asks too much, or says nothing while the lease ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from cockpit.connector.socket import open_socket
from common.supervision import stop
from takaro_connector_suite.takaro import Game, Takaro
from tests.support.wait import eventually

HEARTBEAT_SECONDS = 2.0
PATIENT_SECONDS = 5.0
LONG_SECONDS = 60.0
LIMIT_BYTES = 8 * 1024**2
"""More than a socket buffers: the answers to what is read at once."""
PINGS = (b"\x89\x7d" + 125 * b"x") * 1000
"""The frames of a thousand pings, as long as pings may be."""


@asynccontextmanager
async def opened(takaro: Takaro, heartbeat_seconds: float) -> AsyncIterator[tuple[ClientConnection, Game]]:
    socket = await open_socket(takaro.url, heartbeat_seconds, lambda: True)
    try:
        game = await eventually(lambda: takaro.games[-1] if takaro.games else None)
        assert game is not None
        await socket.recv()
        yield socket, game
    finally:
        socket.transport.abort()


async def fill(socket: ClientConnection) -> None:
    """Send until the other side takes no more."""
    while True:
        await socket.send('{"type": "' + 100_000 * "x" + '"}')


async def flood(game: Game) -> None:
    """Send pings for as long as they are taken."""
    while True:
        game.socket.transport.write(PINGS)
        await game.socket.drain()


async def test_a_reader_that_takes_nothing_is_dropped(takaro: Takaro) -> None:
    async with opened(takaro, HEARTBEAT_SECONDS) as (socket, game):
        game.socket.transport.pause_reading()
        filling = asyncio.create_task(fill(socket))
        try:
            await asyncio.wait_for(socket.wait_closed(), 30)
            with pytest.raises(ConnectionClosed):
                await filling
        finally:
            await stop(filling, patience_seconds=1)


async def test_answers_to_pings_that_nobody_takes_have_a_bound(takaro: Takaro) -> None:
    async with opened(takaro, HEARTBEAT_SECONDS) as (socket, game):
        game.socket.transport.pause_reading()
        flooding = asyncio.create_task(flood(game))
        try:
            most = 0
            while not socket.transport.is_closing() and most < LIMIT_BYTES:
                most = max(most, socket.transport.get_write_buffer_size())
                await asyncio.sleep(0.001)
            assert most < LIMIT_BYTES
        finally:
            await stop(flooding, patience_seconds=1)


async def test_it_is_read_again_once_the_other_side_takes_something(takaro: Takaro) -> None:
    async with opened(takaro, PATIENT_SECONDS) as (socket, game):
        game.socket.transport.pause_reading()
        filling = asyncio.create_task(fill(socket))
        try:
            await eventually(lambda: not socket.transport.is_reading())
            pong = await game.socket.ping()
            await game.send({"type": "later"})
        finally:
            await stop(filling, patience_seconds=1)
        assert not socket.transport.is_reading()
        game.socket.transport.resume_reading()
        assert await socket.recv() == '{"type": "later"}'
        async with asyncio.timeout(30):
            await pong
        await asyncio.sleep(PATIENT_SECONDS + 1)
        async with asyncio.timeout(30):
            await (await game.socket.ping())


async def test_messages_that_are_handled_meanwhile_start_no_reading(takaro: Takaro) -> None:
    """Two things stop the reading, and both have to be over: messages that wait, and answers that do."""
    async with opened(takaro, LONG_SECONDS) as (socket, game):
        for number in range(20):
            await game.send({"number": number})
        await eventually(lambda: socket.recv_messages.paused)
        game.socket.transport.pause_reading()
        filling = asyncio.create_task(fill(socket))
        try:
            await eventually(lambda: socket.paused)
            while socket.recv_messages.paused:
                await socket.recv()
            assert not socket.transport.is_reading()
        finally:
            await stop(filling, patience_seconds=1)
        game.socket.transport.resume_reading()
        await eventually(lambda: not socket.paused, timeout=30)
        assert socket.transport.is_reading()


async def test_messages_that_wait_are_not_added_to_once_writing_goes_on(takaro: Takaro) -> None:
    async with opened(takaro, LONG_SECONDS) as (socket, game):
        for number in range(20):
            await game.send({"number": number})
        await eventually(lambda: socket.recv_messages.paused)
        game.socket.transport.pause_reading()
        filling = asyncio.create_task(fill(socket))
        await eventually(lambda: socket.paused)
        await stop(filling, patience_seconds=1)
        game.socket.transport.resume_reading()
        await eventually(lambda: not socket.paused, timeout=30)
        assert not socket.transport.is_reading()
        assert len([await socket.recv() for _ in range(20)]) == 20
        assert socket.transport.is_reading()


async def test_a_quiet_socket_ends_with_its_lease(takaro: Takaro) -> None:
    """Nothing moves on it, and the next ping is far away."""
    may_write = True
    socket = await open_socket(takaro.url, LONG_SECONDS, lambda: may_write)
    try:
        game = await eventually(lambda: takaro.games[-1] if takaro.games else None)
        assert game is not None
        await socket.recv()
        assert game.socket.keepalive_task is not None
        game.socket.keepalive_task.cancel()
        may_write = False
        await eventually(lambda: game.closed, timeout=30)
        assert not game.frames
    finally:
        socket.transport.abort()
