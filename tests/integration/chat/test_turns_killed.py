"""Chat is killed or frozen while a turn runs: what its runtime was told holds, and nobody else gets in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal
from uuid import uuid4

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from chat.messages.repository import FEW_MESSAGES
from tests.integration.chat.conftest import post, published
from tests.integration.chat.turn_calls import contents, runtime, say, start_conversation, take, with_token
from tests.support.services import Service
from tests.support.wait import eventually

# A statement that inserts messages waits while somebody has the advisory lock, for as long as it takes.
BUILD_GATE = """
CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', '0', true);
    PERFORM pg_advisory_xact_lock_shared(1);
    RETURN NULL;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON messages FOR EACH STATEMENT EXECUTE FUNCTION pass_gate();
"""
CLOSE_GATE = "SELECT pg_advisory_lock(1)"
OPEN_GATE = "SELECT pg_advisory_unlock_all()"
COUNT_AT_GATE = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
EXPIRE = "UPDATE chat_turns SET expires_at = clock_timestamp() WHERE id = $1::uuid"
GET_STATE = "SELECT state FROM chat_turns WHERE id = $1::uuid"


@asynccontextmanager
async def running_chat(
    database: str, redis_url: str, folder: Path, instance: str = "chat-1", **environment: str
) -> AsyncIterator[Service]:
    """A process of chat, which the test may kill."""
    chat = Service(
        "chat",
        database_url=database,
        redis_url=f"{redis_url}/5",
        folder=folder,
        instance=instance,
        environment=environment,
    )
    await chat.start()
    try:
        yield chat
    finally:
        await chat.stop()


async def test_a_turn_outlives_the_chat_that_gave_it(
    service_database: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        running_chat(service_database, redis_url, tmp_path) as chat,
        chat.client(f"alice-{uuid4()}") as alice,
        runtime(chat) as worker,
    ):
        conversation = await start_conversation(alice)
        await post(alice, f"{conversation}/messages", content="hi")
        taken = await take(worker, conversation, ttlSeconds=600)
        (await say(worker, conversation, "before", with_token(taken))).raise_for_status()
        await chat.kill()
        await chat.start()
        assert (await worker.post(f"{conversation}/turns", json={})).status_code == 409
        path = f"{conversation}/turns/{taken['turnId']}/finish"
        last = {"messages": [{"role": "assistant", "content": "after"}]}
        for _ in range(2):
            (await worker.post(path, json=last, headers=with_token(taken))).raise_for_status()
        assert await contents(alice, conversation) == ["hi", "before", "after"]


@pytest.mark.parametrize("how", ["killed", "frozen"])
@pytest.mark.parametrize("count", [1, FEW_MESSAGES + 1], ids=["statement", "transaction"])
async def test_what_a_dead_chat_had_begun_to_write_comes_into_no_other_turn(
    database: str, redis_url: str, tmp_path: Path, count: int, how: Literal["killed", "frozen"]
) -> None:
    """It dies in the middle of a statement, or of a transaction; meanwhile the turn's time is over, and
    another runtime's turn begins. A frozen one wakes after that. Postgres completes the statement in the turn
    that it came in, and undoes the transaction."""
    short = {"LEASE_TTL_SECONDS": "1.5"}  # after two thirds of it Postgres ends an idle transaction
    gate = await asyncpg.connect(database)
    async with (
        running_chat(database, redis_url, tmp_path, "chat-1", **short) as dying,
        running_chat(database, redis_url, tmp_path, "chat-2", **short) as living,
        living.client("alice") as alice,
        runtime(dying) as first,
        runtime(living) as second,
        Redis.from_url(f"{redis_url}/5", decode_responses=True) as bus,
    ):
        conversation = await start_conversation(alice)
        await post(alice, f"{conversation}/messages", content="hi")
        taken = await take(second, conversation, ttlSeconds=600)
        await gate.execute(BUILD_GATE)
        await gate.execute(CLOSE_GATE)
        first.timeout = httpx.Timeout(60)
        messages = [{"role": "assistant", "content": "late"}] * count
        path, headers = f"{conversation}/messages/bulk", with_token(taken)
        late = asyncio.create_task(first.post(path, json={"messages": messages}, headers=headers))
        await eventually(lambda: gate.fetchval(COUNT_AT_GATE))
        await (dying.kill() if how == "killed" else asyncio.to_thread(dying.pause))
        await gate.execute(OPEN_GATE)
        await gate.execute(EXPIRE, taken["turnId"])  # once what it has begun is over

        async def interrupted() -> bool:
            return bool(await gate.fetchval(GET_STATE, taken["turnId"]) == "interrupted")

        await eventually(interrupted)
        other = await take(second, conversation, ttlSeconds=600)
        if how == "frozen":
            dying.resume()
        await asyncio.gather(late, return_exceptions=True)
        refused = await say(second, conversation, "late", with_token(taken))
        assert refused.status_code == 409
        (await say(second, conversation, "in time", with_token(other))).raise_for_status()
        path = f"{conversation}/turns/{other['turnId']}/finish"
        (await second.post(path, json={}, headers=with_token(other))).raise_for_status()
        completed = ["late"] if count == 1 else []
        assert await contents(alice, conversation) == ["hi", *completed, "in time"]
        told = [
            fact["type"] for fact in await published(bus, conversation.split("/")[-1], 7 + len(completed))
        ]
        assert told[told.index("chat.turn.interrupted.v1") :] == [
            "chat.turn.interrupted.v1",
            "chat.turn.started.v1",
            "chat.message.appended.v1",
            "chat.turn.finished.v1",
        ]
    await gate.close()
