"""One Postgres and one Redis-compatible server for each test session; a migrated database for each test."""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import pytest
import structlog
from hypothesis import settings
from psycopg import sql
from redis.asyncio import Redis

from takaro_schema.run import migrate
from tests.kafka.server import KafkaServer
from tests.support.servers import PostgresServer, RedisServer, free_port
from tests.support.sharing import Sharing

_SHARED_MEMORY = Path("/dev/shm")
_PREFIX = "takaro-tests-"
_ENOUGH_BYTES = 8 * 1024**3


def pytest_configure(config: pytest.Config) -> None:
    """Temporary files of this session only, and log lines without every local variable.

    Each session that starts makes pytest's shared folder private again. A Postgres that runs as a separate
    user would then lose access to its data.
    """
    if not config.option.basetemp and not hasattr(config, "workerinput"):
        config.option.basetemp = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_memory())
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))
    # The duration of an example depends on how busy the machine is.
    settings.register_profile("busy machine", deadline=None)
    settings.load_profile("busy machine")
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )


def _memory() -> str | None:
    """A folder in memory, if there is enough of it: databases by the thousand are created there in half the
    time."""
    for left in _SHARED_MEMORY.glob(f"{_PREFIX}*-*"):
        # Of a session that was killed: memory stays taken until somebody removes what is in it.
        if not psutil.pid_exists(int(left.name.split("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    if not _SHARED_MEMORY.is_dir() or os.statvfs(_SHARED_MEMORY).f_flag & os.ST_NOEXEC:
        return None
    free = min(shutil.disk_usage(_SHARED_MEMORY).free, psutil.virtual_memory().available)
    return str(_SHARED_MEMORY) if free > _ENOUGH_BYTES else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing | None:
    """One worker runs all tests that share running services."""
    return Sharing(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Leave what was imported and collected, a million objects, out of every later garbage collection."""
    gc.collect()
    gc.freeze()


_TEMPLATE = "takaro_template"
# Without a log of each page; the template's pages are on disk already.
_CREATE = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
_DROP = sql.SQL("DROP DATABASE {} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The session's Postgres. Shared: a test that breaks servers makes its own."""
    nothing_to_recover = {"fsync": "off", "full_page_writes": "off"}
    server = PostgresServer(_server_dir(tmp_path_factory, "postgres"), free_port(), nothing_to_recover)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The session's Valkey. Shared: a test that breaks servers makes its own."""
    server = RedisServer(_server_dir(tmp_path_factory, "redis"), free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """The session's Apache Kafka. A test that breaks it leaves it running."""
    server = KafkaServer(_server_dir(tmp_path_factory, "kafka"), free_port())
    server.start(timeout=60)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """A superuser's URL of the session's Postgres (database ``takaro_agent``, empty)."""
    return postgres_server.url


@pytest.fixture(scope="session")
def redis_url(redis_server: RedisServer) -> str:
    """The URL of the session's Valkey; tests that write use ``redis`` too, which empties it before them."""
    return redis_server.url


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> str:
    """The name of a migrated database without connections."""
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
    migrate(postgres_server.url_of(_TEMPLATE))
    return _TEMPLATE


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a new, empty database."""
    yield from _database(postgres_server, "template1")


@pytest.fixture
def database(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """The URL of a new, migrated database."""
    yield from _database(postgres_server, template_database)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client (str in, str out) of the session's Valkey, emptied."""
    async with Redis.from_url(redis_url, decode_responses=True) as client:
        await client.flushall()
        yield client


def _database(server: PostgresServer, template: str) -> Iterator[str]:
    name = sql.Identifier(f"test_{uuid4().hex}")
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(_CREATE.format(name, sql.Identifier(template)))
        yield server.url_of(name.as_string(connection).strip('"'))
        connection.execute(_DROP.format(name))


def _server_dir(factory: pytest.TempPathFactory, name: str) -> Path:
    return factory.mktemp("servers", numbered=True) / name
