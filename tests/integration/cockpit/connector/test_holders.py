"""One process holds a server's socket. When it ends, another has it; no event is lost or out of order."""

import asyncio
import time

import pytest

from common.postgres import Pool
from takaro_connector_suite.takaro import Takaro
from tests.integration.cockpit.conftest import Cockpit, Converse, Streams
from tests.integration.cockpit.connector.conftest import IDENTITY, Start, connected, is_status, user_of
from tests.support.services import Service
from tests.support.wait import eventually

HOLDER = "SELECT owner FROM leases WHERE name LIKE 'cockpit.connection:%' AND expires_at > clock_timestamp()"


def said(takaro: Takaro) -> list[str]:
    return [e.data["msg"] for e in takaro.events_of(IDENTITY) if e.type == "chat-message"]


def without_repeats(lines: list[str]) -> list[str]:
    """Those that arrived, each the first time: an event may come again over a new connection."""
    return list(dict.fromkeys(lines))


async def two(start: Start, pool: Pool, takaro: Takaro, converse: Converse) -> tuple[Service, Service]:
    """The process that holds ann's socket, and the other one."""
    first, second = await start("connecting-1"), await start("connecting-2")
    async with user_of(first, converse) as ann:
        await connected(takaro, ann)
    services = {service.instance: service for service in (first, second)}
    holder = services.pop(await pool.fetchval(HOLDER))
    return holder, next(iter(services.values()))


async def at(service: Service, pool: Pool) -> Cockpit:
    row = await pool.fetchrow("SELECT id, conversation_id FROM cockpit_sessions")
    assert row is not None
    return Cockpit(service.client("ann"), row["conversation_id"], str(row["id"]))


@pytest.mark.parametrize("way", ["killed", "stopped"])
async def test_another_process_has_the_socket_and_no_event_is_lost(
    start: Start, pool: Pool, takaro: Takaro, converse: Converse, way: str
) -> None:
    holder, other = await two(start, pool, takaro, converse)
    ann = await at(other, pool)
    async with ann.client:
        lines = [f"line {number}" for number in range(40)]
        for line in lines[:20]:
            await ann.run(f"say {line}")
        began = time.monotonic()
        ending = asyncio.create_task(holder.kill() if way == "killed" else holder.stop())
        for line in lines[20:]:
            await ann.run(f"say {line}")
        await ending
        await eventually(lambda: without_repeats(said(takaro)) == lines, timeout=20)
        await eventually(lambda: len(takaro.open_games(IDENTITY)) == 1, timeout=10)
        assert time.monotonic() - began < 10
        assert {identity["identityToken"] for identity in takaro.identities} == {IDENTITY}
        assert (await ann.status())["gameServerId"] == takaro.game_server_id(IDENTITY)
        connections = [e.connection for e in takaro.events_of(IDENTITY)]
        assert connections == sorted(connections)
        if way == "stopped":
            assert said(takaro) == lines


async def test_a_frozen_holder_changes_nothing_and_writes_nothing_when_it_goes_on(
    start: Start, pool: Pool, takaro: Takaro, converse: Converse, streams: Streams
) -> None:
    holder, other = await two(start, pool, takaro, converse)
    ann = await at(other, pool)
    async with ann.client:
        (frozen,) = takaro.open_games(IDENTITY)
        holder.pause()
        await eventually(lambda: len(takaro.open_games(IDENTITY)) == 2, timeout=20)
        before = len(frozen.frames)
        # What it finds when it goes on: a request, a ping of each kind, and events to send.
        asking = asyncio.create_task(frozen.ask("kickPlayer", {"player": {"gameId": "1"}, "reason": "x"}))
        await frozen.send({"type": "ping"})
        pong = asyncio.ensure_future(await frozen.socket.ping())
        await ann.run("say later")
        await eventually(lambda: said(takaro) == ["later"], timeout=20)
        holder.resume()
        await eventually(lambda: frozen.closed, timeout=20)
        assert len(frozen.frames) == before
        assert (await asyncio.gather(pong, return_exceptions=True))[0].__class__ is not float
        asking.cancel()
        assert (await ann.status())["playerCount"] == 5
        assert said(takaro) == ["later"]
        facts = await streams.facts("cockpit.game.event.v1")
        assert not [f for f in facts if f["data"]["eventName"] == "player-disconnected"]


async def test_a_restarted_process_takes_its_servers_back_at_once(
    start: Start, pool: Pool, takaro: Takaro, converse: Converse
) -> None:
    service = await start(LEASE_TTL_SECONDS="60")
    async with user_of(service, converse) as ann:
        await connected(takaro, ann)
        await service.kill()
        await service.start()
        await eventually(lambda: len(takaro.open_games(IDENTITY)) == 1, timeout=15)


async def test_a_dropped_socket_is_opened_again_and_no_event_is_lost(
    start: Start, pool: Pool, takaro: Takaro, converse: Converse
) -> None:
    service = await start()
    async with user_of(service, converse) as ann:
        game = await connected(takaro, ann)
        for number in range(30):
            if number % 10 == 5:
                for each in takaro.open_games():
                    await each.drop()
            await ann.run(f"say {number}")
        await eventually(lambda: without_repeats(said(takaro)) == [str(n) for n in range(30)], timeout=30)
        assert game.closed
        assert (await is_status(ann, "running"))["gameServerId"] == takaro.game_server_id(IDENTITY)
        waiting = "SELECT count(*) = 0 FROM cockpit_takaro_events"
        await eventually(lambda: pool.fetchval(waiting), timeout=10)
