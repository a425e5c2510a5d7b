"""The embedded servers: what clients may rely on, and that data outlives stops and crashes."""

from pathlib import Path

import psycopg
import pytest
from redis import Redis
from redis import TimeoutError as RedisTimeout

from takaro_local.server import ServerError
from tests.support.servers import PostgresServer, RedisServer, free_port
from tests.support.wait import eventually


def test_postgres_is_16_with_pgvector(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert connection.info.server_version // 10000 == 16
        connection.execute("CREATE EXTENSION vector")
        assert connection.execute("SELECT '[1,2]'::vector(2) <=> '[1,2]'").fetchone() == (0.0,)


def test_postgres_asks_for_the_password(postgres_url: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_url.replace(":takaro@", ":wrong@"))


def test_postgres_folds_letters_beyond_ascii(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT lower('ÉÖ')").fetchone() == ("éö",)


def test_redis_keeps_everything(redis_url: str) -> None:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.config_get("appendonly", "maxmemory-policy") == {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
        }


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_postgres_finds_its_data_again(tmp_path: Path, how: str) -> None:
    server = PostgresServer(tmp_path / "postgres", free_port()).start()
    try:
        with psycopg.connect(server.url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        getattr(server, how)()
        server.start()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    finally:
        server.stop()


def test_redis_finds_its_data_again(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", free_port()).start()
    try:
        with Redis.from_url(server.url) as client:
            client.xadd("stream", {"type": "kept"})
        server.restart()
        with Redis.from_url(server.url) as client:
            assert client.xlen("stream") == 1
    finally:
        server.stop()


async def test_a_paused_server_answers_after_it_is_resumed(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis", free_port()).start()
    try:
        server.pause()
        with Redis.from_url(server.url, socket_timeout=0.2) as client, pytest.raises(RedisTimeout):
            client.ping()
        server.resume()
        await eventually(server.is_ready)
    finally:
        server.stop()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", free_port(), {"no_such_setting": "on"})
    with pytest.raises(ServerError, match="no_such_setting"):
        server.start()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "thesis.txt").write_text("mine")
    with pytest.raises(ServerError, match="not empty"):
        PostgresServer(tmp_path / "postgres", free_port()).start()
    assert (tmp_path / "postgres" / "thesis.txt").read_text() == "mine"
