"""The servers of every benchmark: one Postgres and one Redis, migrated and empty, and the Node peer."""

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import hiredis
import httpx
import psutil
import psycopg
from redis.asyncio import Redis

from takaro_local.ports import free_port
from takaro_local.postgres import PostgresServer
from takaro_local.valkey_server import RedisServer
from takaro_schema.run import migrate
from takaro_schema.scripts import load
from tests.support.plain_http import NO_TLS
from tests.support.services import Service

PEER = Path(__file__).parent / "node-peer"
TEXT = "x" * 600
"""The content of a message, as in the peer's ``data.mjs``."""


@dataclass(slots=True, frozen=True)
class World:
    """The servers. ``folder`` is removed afterwards."""

    postgres: PostgresServer
    redis: RedisServer
    folder: Path

    @property
    def peer_url(self) -> str:
        """A database on the same server with the schema after migration 010, without our triggers."""
        return self.postgres.url_of("peer")

    def client(self) -> Redis:
        return Redis.from_url(self.redis.url)

    async def make_conversations(self, count: int) -> list[UUID]:
        ids = [uuid4() for _ in range(count)]
        connection = await asyncpg.connect(self.postgres.url)
        await connection.executemany(
            "INSERT INTO conversations (id, agent_id, agent_version, user_id) "
            "VALUES ($1, 'module-writer', 'grok-fast', 'bench')",
            [(i,) for i in ids],
        )
        await connection.close()
        return ids

    async def publish(self, chunks: Sequence[bytes]) -> None:
        """Send packed ``XADD`` commands (:func:`packed`) and wait for each chunk's answers.

        The publisher stands for another program, so it uses as little CPU as possible, like redis-benchmark.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.redis.port)
        for chunk in chunks:
            writer.write(chunk)
            answers = 0
            while answers < CHUNK:
                answers += (await reader.read(1 << 16)).count(b"$")  # "$15\r\n1763900000000-0\r\n" each
        writer.close()
        await writer.wait_closed()


CHUNK = 500


def packed(conversations: Sequence[UUID], count: int) -> Iterator[bytes]:
    """Append commands that take turns over the conversations, as chunks of :data:`CHUNK` packed ``XADD``s."""
    assert count % CHUNK == 0
    for start in range(0, count, CHUNK):
        commands = []
        for i in range(start, start + CHUNK):
            fields = command(conversations[i % len(conversations)])
            flat = [part for pair in fields.items() for part in pair]
            commands.append(hiredis.pack_command(("XADD", "chat.commands", "*", *flat)))
        yield b"".join(commands)


def command(conversation: UUID) -> dict[Any, Any]:
    data = {"conversationId": str(conversation), "role": "user", "content": TEXT}
    return {
        "id": str(uuid4()),
        "source": "bench",
        "type": "chat.message.append.v1",
        "data": json.dumps(data),
    }


def bare_client(service: Service, user: str) -> httpx.AsyncClient:
    """An HTTP client whose caller is ``user``; close it. The tests' own client compares each answer with the
    service's document, which takes 15 ms for 20 hits of a search."""
    return httpx.AsyncClient(
        base_url=service.url, headers={"X-User-Id": user}, timeout=60, trust_env=False, verify=NO_TLS
    )


@contextmanager
def world() -> Iterator[World]:
    """Servers on free ports, with the same settings as in the local stack."""
    folder = Path(tempfile.mkdtemp(prefix="takaro-bench-"))
    postgres = PostgresServer(folder / "postgres", free_port())
    redis = RedisServer(folder / "redis", free_port())
    try:
        postgres.start()
        redis.start()
        migrate(postgres.url)
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE peer")
        migrate(postgres.url_of("peer"), chain=load().until("010"))
        yield World(postgres, redis, folder)
    finally:
        postgres.stop()
        redis.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run_peer(script: str, *arguments: str, **environment: str) -> list[dict[str, Any]]:
    """Run one of the Node peer's scripts, and return the JSON lines that it prints."""
    if not (PEER / "node_modules").exists():
        subprocess.run(["npm", "ci", "--silent"], cwd=PEER, check=True)
    result = subprocess.run(
        ["node", script, *arguments],
        cwd=PEER,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all its children, including those that have ended."""
    root = psutil.Process(pid)
    times = root.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for process in root.children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return float(total)


def rss_megabytes(pid: int) -> float:
    rss: int = psutil.Process(pid).memory_info().rss
    return rss / 1_048_576


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


async def until(check: Any, interval: float = 0.005) -> None:
    while not await check():  # noqa: ASYNC110 - what it waits for happens in other processes
        await asyncio.sleep(interval)
