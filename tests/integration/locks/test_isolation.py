"""No transaction and no single statement takes its isolation from a default of the database.

Postgres keeps the predicate locks of serializable transactions, also of ended ones, for as long as a
serializable transaction that they overlapped is open. So one that is open all the time sees whether there was
any other.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from common import codec
from takaro_schema.run import migrate, rollback
from tests.conftest import _database as make_database
from tests.support.servers import PostgresServer
from tests.support.services import Service, ServiceName, running
from tests.support.wait import eventually

Watcher = asyncpg.Connection

_SERIALIZABLE = """
SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock' AND pid IS DISTINCT FROM pg_backend_pid()
"""
NAMES: tuple[ServiceName, ...] = ("chat", "knowledge", "cockpit")


async def _by_default_serializable(url: str) -> None:
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = serializable")
    await connection.close()


@pytest.fixture
def elsewhere(postgres_server: PostgresServer) -> Iterator[str]:
    """A database of its own for the watcher: an index that is built concurrently waits for nobody there."""
    yield from make_database(postgres_server, "template1")


@pytest.fixture
async def watcher(elsewhere: str) -> AsyncIterator["Watcher[asyncpg.Record]"]:
    connection = await asyncpg.connect(elsewhere)
    transaction = connection.transaction(isolation="serializable")
    await transaction.start()
    await connection.execute("CREATE TABLE written (id int)")
    await connection.fetch("SELECT * FROM written")
    yield connection
    await transaction.rollback()
    await connection.close()


async def test_the_watcher_sees_a_transaction_and_a_statement_that_have_ended(
    database: str, watcher: "Watcher[asyncpg.Record]"
) -> None:
    assert await watcher.fetchval(_SERIALIZABLE) == 0
    await _by_default_serializable(database)
    connection = await asyncpg.connect(database)
    await connection.fetch("SELECT * FROM conversations")
    await connection.close()
    assert await watcher.fetchval(_SERIALIZABLE) > 0


async def test_services_work_on_a_database_that_is_serializable_by_default(
    database: str, watcher: "Watcher[asyncpg.Record]", redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    await _by_default_serializable(database)
    handbook = tmp_path / "handbook"
    handbook.mkdir()
    (handbook / "welcome.md").write_text("# Welcome\n\nGreet each player who joins.\n")
    bases = tmp_path / "bases.json"
    bases.write_text(codec.dumps_str({"knowledgeBases": [{"id": "handbook", "source": "handbook"}]}))
    async with AsyncExitStack() as stack:
        started: dict[str, Service] = {}
        for name in NAMES:
            service = running(
                name,
                database_url=database,
                redis_url=redis_url,
                folder=tmp_path,
                environment={"KNOWLEDGE_BASES_FILE": str(bases)},
            )
            started[name] = await stack.enter_async_context(service)
        talk, learn, play = [
            await stack.enter_async_context(started[name].client("ann", timeout=60)) for name in NAMES
        ]
        conversation_id = await _converse(talk, redis)
        await _play(play, conversation_id)
        await _search(learn)
        await _ok(talk.delete(f"/api/conversations/{conversation_id}"))
        await eventually(lambda: _is_stopped(database))
        assert await watcher.fetchval(_SERIALIZABLE) == 0


async def _converse(talk: httpx.AsyncClient, redis: Redis) -> str:
    made = await _ok(talk.post("/api/conversations", json={"agentId": "module-writer"}))
    conversation_id = str(made.json()["data"]["id"])
    about = f"/api/conversations/{conversation_id}"
    said = {"conversationId": conversation_id, "role": "assistant", "content": "yes"}
    command: dict[Any, Any] = {"type": "chat.message.append.v1", "data": codec.dumps_str(said)}
    await redis.xadd("chat.commands", command)
    posts = [_ok(talk.post(f"{about}/messages", json={"content": f"hello {i}"})) for i in range(80)]
    patches = [_ok(talk.patch(f"{about}/state", json={str(i): i})) for i in range(20)]
    await asyncio.gather(*posts, *patches)

    async def are_stored() -> bool:
        return len((await _ok(talk.get(f"{about}/messages"))).json()["data"]) == 81

    await eventually(are_stored)
    await _ok(talk.get("/api/conversations"))
    await _ok(talk.patch(about, json={"title": "one"}))
    agent = {"name": "a", "systemPrompt": "p", "tools": [], "model": "m"}
    agent_id = (await _ok(talk.post("/api/custom-agents", json=agent))).json()["data"]["id"]
    await _ok(talk.put(f"/api/custom-agents/{agent_id}", json={"name": "b"}))
    await _ok(talk.delete(f"/api/custom-agents/{agent_id}"))
    return conversation_id


async def _play(play: httpx.AsyncClient, conversation_id: str) -> None:
    session = await _ok(play.get(f"/api/cockpit/sessions/{conversation_id}"))
    game = f"/api/cockpit/sessions/{session.json()['data']['id']}"
    await _ok(play.post(f"{game}/mock-server/start"))
    await _ok(play.post(f"{game}/mock-server/command", json={"command": "startSimulation"}))
    await _ok(play.post(f"{game}/select-player", json={"playerId": "2"}))
    async with play.stream("GET", f"{game}/events") as events:
        async for line in events.aiter_lines():
            if "command-executed" in line:
                break


async def _search(learn: httpx.AsyncClient) -> None:
    async def found() -> bool:
        hits = await learn.get("/api/knowledge-bases/handbook/search", params={"q": "Greet each player"})
        return bool(hits.status_code == 200 and hits.json()["data"])

    await eventually(found, timeout=60)


async def _ok(request: object) -> httpx.Response:
    answer: httpx.Response = await request  # type: ignore[misc]
    assert answer.status_code in (200, 201), answer.text
    return answer


async def _is_stopped(database: str) -> bool:
    settings = {"default_transaction_isolation": "read committed"}
    connection = await asyncpg.connect(database, server_settings=settings)
    try:
        return bool(await connection.fetchval("SELECT status FROM cockpit_game_servers") == "stopped")
    finally:
        await connection.close()


async def test_migrations_run_on_a_database_that_is_serializable_by_default(
    empty_database: str, watcher: "Watcher[asyncpg.Record]"
) -> None:
    await _by_default_serializable(empty_database)
    assert await asyncio.to_thread(migrate, empty_database)
    assert await asyncio.to_thread(rollback, empty_database, force=True)
    assert await watcher.fetchval(_SERIALIZABLE) == 0
