"""Redis on a socket of this machine: ``unix://`` serves every client of a service."""

from pathlib import Path

from redis.asyncio import Redis

from tests.support.probe import Probe
from tests.support.redis_world import RedisWorld
from tests.support.servers import RedisServer, free_port


async def test_commands_and_facts_go_through_a_unix_socket(database: str, tmp_path: Path) -> None:
    socket = tmp_path / "redis.sock"
    server = RedisServer(tmp_path / "redis", free_port(), {"unixsocket": str(socket)})
    server.start()
    try:
        async with Redis.from_url(server.url, decode_responses=True) as redis:
            world = RedisWorld(database, f"unix://{socket}", redis)
            await world.prepare()
            async with world.running(Probe()):
                await world.note("s", 1)
                await world.expect(effects=1, facts=1, pending=0)
    finally:
        server.stop()
