import os
import pwd
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from redis.asyncio import Redis

from takaro_schema.run import migrate
from tests.support.probe import Probe
from tests.support.redis_world import RedisWorld
from tests.support.servers import PostgresServer, RedisServer, free_port

SMALL_DISK_MEGABYTES = 48


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that the test may break."""
    server = RedisServer(tmp_path / "redis", free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    """A migrated Postgres that the test may break."""
    server = PostgresServer(tmp_path / "postgres", free_port())
    server.start()
    migrate(server.url)
    yield server
    server.stop()


@pytest.fixture
async def world(database: str, own_redis: RedisServer) -> AsyncIterator[RedisWorld]:
    async with Redis.from_url(own_redis.url, decode_responses=True) as redis:
        world = RedisWorld(database, own_redis.url, redis)
        await world.prepare()
        yield world


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB. Creating it needs the right to mount; without it the test is skipped with that
    reason."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_MEGABYTES}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets us mount no tmpfs: a full disk can't be made")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def postgres_on_small_disk(tmp_path: Path, small_disk: Path) -> Iterator[PostgresServer]:
    """A migrated database whose tables are on the small disk; the write-ahead log is elsewhere."""
    server = PostgresServer(tmp_path / "postgres", free_port())
    server.start()
    space = small_disk / "space"
    space.mkdir()
    owner = pwd.getpwuid((tmp_path / "postgres").stat().st_uid)
    os.chown(space, owner.pw_uid, owner.pw_gid)
    with psycopg.connect(server.url_of("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        connection.execute("DROP DATABASE takaro_agent")
        connection.execute("CREATE DATABASE takaro_agent TABLESPACE small")
    migrate(server.url)
    yield server
    server.stop()
