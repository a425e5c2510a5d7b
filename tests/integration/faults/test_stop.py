"""A stop in the middle of a load: work in flight is finished or released within the grace period.

The same in the middle of one batch, with its mechanisms on and off: ``tests/proof/chat/test_mechanisms.py``.
"""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
from redis.asyncio import Redis

from common.postgres import create_pool, transaction
from tests.proof.fleet import Member
from tests.support.probe import ProbeSettings
from tests.support.servers import PostgresServer
from tests.support.services import Service
from tests.support.wait import eventually

AT_ONCE = 1_000
GRACE_SECONDS = 2.0


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
async def test_a_stop_under_load_loses_and_doubles_nothing(
    how: str, database: str, redis_url: str, redis: Redis, tmp_path: Path
) -> None:
    chat = Service("chat", database_url=database, redis_url=redis_url, folder=tmp_path)
    connection = await asyncpg.connect(database)
    try:
        load = await start_under_load(chat, connection, redis)
        await load.freeze(chat)
        started = time.monotonic()
        if how == "SIGTERM":
            assert await chat.stop() == 0
            assert time.monotonic() - started < 10
        else:
            await chat.kill()
        await chat.start()
        await load.expect_all_once()
    finally:
        await connection.close()
        await chat.stop()


@pytest.mark.parametrize("without", [(), ("stop-limits",)], ids=["with", "without"])
async def test_a_stop_while_postgres_is_frozen_ends_by_force_within_the_grace_period(
    without: tuple[str, ...], own_postgres: PostgresServer, redis_url: str, redis: Redis, tmp_path: Path
) -> None:
    chat = Member(
        "chat",
        "chat-1",
        database_url=own_postgres.url,
        redis_url=redis_url,
        folder=tmp_path,
        without=without,
        environment={"SHUTDOWN_GRACE_SECONDS": str(GRACE_SECONDS)},
    )
    connection = await asyncpg.connect(own_postgres.url)
    try:
        load = await start_under_load(chat, connection, redis)
        await load.freeze(chat)
        own_postgres.pause()
        code = await chat.stop(patience=(2 if without else 5) * GRACE_SECONDS)
        own_postgres.resume()
        assert code == (-signal.SIGKILL if without else 1)
        assert bool(chat.count_logged("not stopped in time: ends by force")) == (not without)
        await chat.start()
        await load.expect_all_once()
    finally:
        own_postgres.resume()
        await connection.close()
        await chat.kill()


async def test_a_cancellation_is_not_hidden_by_a_lost_connection(database: str) -> None:
    """Code that waits for an outage to end would take that error for one, and wait on through a stop."""
    begun, gone = asyncio.Event(), asyncio.Event()
    async with await create_pool(ProbeSettings(database_url=database, auth_mode="dev")) as pool:
        process: int = 0

        async def work() -> None:
            nonlocal process
            async with transaction(pool) as connection:
                connection.add_termination_listener(lambda _: gone.set())
                process = connection.get_server_pid()
                begun.set()
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await begun.wait()
        await pool.execute("SELECT pg_terminate_backend($1)", process)
        await asyncio.wait_for(gone.wait(), 10)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working


class Load:
    """Messages for one conversation, published a thousand at a time."""

    def __init__(
        self, conversation: str, connection: "asyncpg.Connection[asyncpg.Record]", redis: Redis
    ) -> None:
        self._conversation, self._connection, self._redis = conversation, connection, redis
        self._published = 0

    async def publish(self) -> None:
        """Another thousand; ends when the service handles them."""
        before = await self.count()
        pipeline = self._redis.pipeline(transaction=False)
        for number in range(self._published, self._published + AT_ONCE):
            data = {"conversationId": self._conversation, "role": "user", "content": str(number)}
            pipeline.xadd(
                "chat.commands",
                {"id": str(uuid4()), "type": "chat.message.append.v1", "data": orjson.dumps(data)},
            )
        await pipeline.execute()
        self._published += AT_ONCE

        async def begun() -> bool:
            return await self.count() > before

        await eventually(begun)

    async def freeze(self, chat: Service) -> None:
        """Freeze the service in the middle of the load, which a fast one may already have finished."""
        chat.pause()
        while await self.count() == self._published:
            chat.resume()
            await self.publish()
            chat.pause()

    async def count(self) -> int:
        number: int = await self._connection.fetchval("SELECT count(*) FROM messages")
        return number

    async def expect_all_once(self) -> None:
        """Wait for every message and its fact: one of each, in their order."""

        async def all_there() -> bool:
            assert await self.count() == self._published
            return True

        await eventually(all_there, timeout=60)
        rows = await self._connection.fetch("SELECT content FROM messages ORDER BY created_at, id")
        assert [row["content"] for row in rows] == [str(i) for i in range(self._published)]

        async def all_told() -> bool:
            entries: Any = await self._redis.xrange("chat.events")
            facts = {f["id"]: f for _, f in entries if f["type"] == "chat.message.appended.v1"}
            assert len(facts) == self._published
            sequences = [int(f["sequence"]) for f in facts.values()]
            assert sequences == list(range(2, self._published + 2))
            return True

        await eventually(all_told)


async def start_under_load(
    chat: Service, connection: "asyncpg.Connection[asyncpg.Record]", redis: Redis
) -> Load:
    """Start the service, publish messages for one conversation, and wait until it handles them."""
    await chat.start()
    async with chat.client() as client:
        answer = await client.post("/api/conversations", json={"agentId": "module-writer"})
        conversation = answer.json()["data"]["id"]
    load = Load(conversation, connection, redis)
    for _ in range(3):
        await load.publish()
    return load
