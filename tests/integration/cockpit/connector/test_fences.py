"""What fences a connection: the check before each write, the lease in the cursor's statement."""

import asyncio

import pytest

from backbone.lease_sets import LeaseSet
from cockpit.connector.records import Sent
from cockpit.connector.repository import move_cursors
from cockpit.connector.socket import open_socket
from common.postgres import Pool
from takaro_connector_suite.takaro import Takaro
from tests.integration.cockpit.conftest import FORGET
from tests.support import without
from tests.support.wait import eventually

LEASE = "cockpit.connection:of-the-fences"


async def is_answered_after_the_lease(takaro: Takaro) -> bool:
    """Whether a socket answers a ping once its process may no longer write."""
    may_write = True
    socket = await open_socket(takaro.url, 20, lambda: may_write)
    try:
        game = await eventually(lambda: takaro.games[-1] if takaro.games else None)
        assert game is not None
        may_write = False
        pong = asyncio.ensure_future(await game.socket.ping())
        ended = asyncio.ensure_future(game.socket.wait_closed())
        await asyncio.wait({pong, ended}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        answered = pong.done() and not pong.cancelled() and pong.exception() is None
        assert answered or game.closed or ended.done()
        ended.cancel()
        pong.cancel()
        return answered
    finally:
        socket.transport.abort()


async def test_a_socket_writes_nothing_after_its_lease(takaro: Takaro) -> None:
    assert not await is_answered_after_the_lease(takaro)


async def test_without_the_check_it_does(takaro: Takaro, monkeypatch: pytest.MonkeyPatch) -> None:
    without.check_before_writing(monkeypatch)
    assert await is_answered_after_the_lease(takaro)


async def test_a_cursor_moves_only_under_the_lease(pool: Pool) -> None:
    await pool.execute(FORGET)
    await pool.execute(
        "INSERT INTO cockpit_game_servers (user_id, game_server_id, state) VALUES ('ann', 'x', '{}')"
    )
    await pool.execute("INSERT INTO cockpit_connections (user_id, lease) VALUES ('ann', $1)", LEASE)
    old, new = LeaseSet(pool, "old", 0.2), LeaseSet(pool, "new", 60)
    (lost,) = await old.acquire([LEASE])
    assert not await new.acquire([LEASE])
    assert old.is_valid(lost)
    taken = await eventually(lambda: new.acquire([LEASE]), timeout=10)
    assert not old.is_valid(lost)
    cursor = "SELECT sent_through FROM cockpit_connections"
    async with pool.acquire() as connection:
        await move_cursors(connection, [Sent("ann", 7, LEASE, lost.epoch)])
        assert await connection.fetchval(cursor) == 0
        await move_cursors(connection, [Sent("ann", 7, LEASE, taken[0].epoch)])
        assert await connection.fetchval(cursor) == 7
    await new.release(taken)
