"""A stop in the middle of a load: what is in flight is finished or released within the grace period."""

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
import pytest
from redis.asyncio import Redis

from tests.support.services import Service
from tests.support.wait import eventually

MESSAGES = 3_000


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
async def test_a_stop_under_load_loses_and_doubles_nothing(
    how: str, database: str, redis_url: str, redis: Redis, tmp_path: Path
) -> None:
    chat = Service("chat", database_url=database, redis_url=redis_url, folder=tmp_path)
    connection = await asyncpg.connect(database)
    try:
        await chat.start()
        async with chat.client() as client:
            answer = await client.post("/api/conversations", json={"agentId": "module-writer"})
            conversation = answer.json()["data"]["id"]
        pipeline = redis.pipeline(transaction=False)
        for i in range(MESSAGES):
            data = {"conversationId": conversation, "role": "user", "content": str(i)}
            pipeline.xadd(
                "chat.commands",
                {"id": str(uuid4()), "type": "chat.message.append.v1", "data": orjson.dumps(data)},
            )
        await pipeline.execute()

        async def count() -> int:
            number: int = await connection.fetchval("SELECT count(*) FROM messages")
            return number

        await eventually(count)
        started = time.monotonic()
        if how == "SIGTERM":
            assert await chat.stop() == 0
            assert time.monotonic() - started < 10
        else:
            await chat.kill()
        assert await count() < MESSAGES, "the load was over before the stop"
        await chat.start()

        async def all_there() -> bool:
            assert await count() == MESSAGES
            return True

        await eventually(all_there, timeout=30)
        rows = await connection.fetch("SELECT content FROM messages ORDER BY created_at, id")
        assert [row["content"] for row in rows] == [str(i) for i in range(MESSAGES)]

        async def all_told() -> bool:
            entries: Any = await redis.xrange("chat.events")
            facts = {f["id"]: f for _, f in entries if f["type"] == "chat.message.appended.v1"}
            assert len(facts) == MESSAGES
            sequences = [int(f["sequence"]) for f in facts.values()]
            assert sequences == list(range(2, MESSAGES + 2))
            return True

        await eventually(all_told, timeout=20)
    finally:
        await connection.close()
        await chat.stop()
