"""One and the same turn: chat over HTTP, chat's own functions, LangGraph with a checkpointer and without.

A user's question; a message that calls a tool; its result, and a change of the state; the answer.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from benchmarks.texts import PATCH, TOOL, text
from benchmarks.world import World, bare_client
from chat.announcements.served import ServedAgents
from chat.messages.records import NewMessage
from chat.messages.use_cases import Appends, append_user_message, create_appends
from chat.runtimes.use_cases import end_own_turn, find_owner, take_turn
from chat.settings import ChatSettings
from chat.states.records import Author, Limits, StateEdit
from chat.states.use_cases import edit_state
from chat.transfers.use_cases import append_in_bulk
from chat.turns.records import Ending, Taking
from chat.turns.rules import digest_of, new_token
from common.postgres import Pool, create_pool
from servicekit.auth import Caller
from tests.support.services import Service

AGENT, USER = "module-writer", "bench"
CONVERSATION = """
INSERT INTO conversations (agent_id, agent_version, user_id) VALUES ($1, 'v', $2) RETURNING id
"""
MESSAGES = """
INSERT INTO messages (conversation_id, role, content, created_at, sequence)
SELECT $1, CASE WHEN n % 2 = 1 THEN 'user' ELSE 'assistant' END, said, now() + n * interval '1 us', n
FROM unnest($2::text[]) WITH ORDINALITY AS said (said, n)
"""
# Not searchable either: else chat indexes the histories while turns are measured.
NUMBERED = """
SELECT set_config('takaro.message_order', 'numbered', true), set_config('takaro.usage', 'counted', true),
       set_config('takaro.message_search', 'kept', true)
"""
COUNTED = "UPDATE conversations SET message_sequence = $2 WHERE id = $1"
CALL = [{"id": "call", "name": TOOL, "input": {"query": "x"}}]
RESULT = [{"id": "call", "success": True}]


async def fill(world: World, count: int) -> UUID:
    """A new conversation with so many messages."""
    connection = await asyncpg.connect(world.postgres.url)
    try:
        async with connection.transaction():
            id_: UUID = await connection.fetchval(CONVERSATION, AGENT, USER)
            await connection.execute(NUMBERED)
            await connection.execute(MESSAGES, id_, [text(i) for i in range(count)])
            await connection.execute(COUNTED, id_, count)
    finally:
        await connection.close()
    return id_


@dataclass(slots=True)
class OverHttp:
    """Five requests to the service. The answers are read; only what is needed of them is decoded."""

    chat: Service
    user: httpx.AsyncClient
    runtime: httpx.AsyncClient

    async def turn(self, conversation: UUID) -> float:
        """Seconds of this process's CPU."""
        cpu = time.process_time()
        path = f"/api/conversations/{conversation}"
        await _ok(self.user.post(f"{path}/messages", json={"content": text(0)}))
        taken = (await _ok(self.runtime.post(f"{path}/turns", json={}))).json()["data"]
        token = {"X-Turn-Token": taken["token"]}
        await _ok(self.runtime.patch(f"{path}/state", json=PATCH, headers=token))
        messages = [
            {"role": "assistant", "content": text(1), "toolExecutions": CALL},
            {"role": "tool", "content": text(2), "toolResults": RESULT},
        ]
        await _ok(self.runtime.post(f"{path}/messages/bulk", json={"messages": messages}, headers=token))
        last = {"messages": [{"role": "assistant", "content": text(3)}]}
        await _ok(self.runtime.post(f"{path}/turns/{taken['turnId']}/finish", json=last, headers=token))
        return time.process_time() - cpu


async def _ok(request: Awaitable[httpx.Response]) -> httpx.Response:
    return (await request).raise_for_status()


@asynccontextmanager
async def over_http(world: World) -> AsyncIterator[OverHttp]:
    """With a service of its own."""
    chat = Service(
        "chat",
        database_url=world.postgres.url,
        redis_url=world.redis.url,
        folder=world.folder / "turns",
        environment={"LOG_LEVEL": "warning"},
        anew=True,
    )
    await chat.start()
    try:
        await announce(world, chat)
        async with bare_client(chat, USER) as user, bare_client(chat, "runtime") as runtime:
            user.headers["Accept"] = "application/json"
            runtime.headers.update({"X-Scope": "agent", "X-Agents": AGENT})
            yield OverHttp(chat, user, runtime)
    finally:
        await chat.stop()


async def announce(world: World, chat: Service) -> None:
    """Say that a runtime serves the agent, and wait until chat knows."""
    data = {"agentId": AGENT, "model": "none", "description": "", "ttlSeconds": 86_400}
    event: Any = {
        "id": str(uuid4()),
        "source": "bench",
        "type": "chat.agent.announce.v1",
        "data": json.dumps(data),
    }
    async with world.client() as redis, bare_client(chat, USER) as client:
        await redis.xadd("chat.commands", event)
        while True:
            offered = (await client.get("/api/agents")).json()["data"]["builtin"]
            if any(agent["type"] == AGENT and agent["served"] for agent in offered):
                return
            await asyncio.sleep(0.05)


@dataclass(slots=True)
class InProcess:
    """The same by chat's own functions, without HTTP; what the facts need later is left to the relay."""

    pool: Pool
    appends: Appends

    async def turn(self, conversation: UUID) -> float:
        """Seconds of this process's CPU."""
        cpu = time.process_time()
        runtime = Caller("runtime", scopes=frozenset({"agent"}), agents=frozenset({AGENT}))
        await append_user_message(self.pool, USER, conversation, text(0), appends=self.appends)
        digest = digest_of(new_token())
        taking = Taking(runtime.user_id, digest, 30)
        taken = await take_turn(self.pool, runtime, conversation, None, taking, 3_600)

        def message(role: Any, number: int, **more: Any) -> NewMessage:
            return NewMessage(
                uuid4(), conversation, role, text(number), owner=USER, turn_sha256=digest, **more
            )

        edit = StateEdit(conversation, PATCH, Author(USER), turn_sha256=digest)
        await edit_state(self.pool, USER, edit, Limits(1_000_000, 100, 10_000_000))
        messages = [message("assistant", 1, tool_calls=CALL), message("tool", 2, tool_results=RESULT)]
        await append_in_bulk(self.pool, USER, conversation, messages)
        await find_owner(self.pool, runtime, conversation)
        await end_own_turn(
            self.pool,
            runtime,
            conversation,
            taken.turn.id,
            digest,
            Ending("finished"),
            [message("assistant", 3)],
        )
        return time.process_time() - cpu


@asynccontextmanager
async def in_process(world: World) -> AsyncIterator[InProcess]:
    """After :func:`announce`."""
    settings = ChatSettings(
        database_url=world.postgres.url, redis_url=world.redis.url, auth_mode="dev", instance_name="bench"
    )
    async with await create_pool(settings) as pool:
        served = ServedAgents()
        async with pool.acquire() as connection:
            await served.look(connection)
        yield InProcess(pool, create_appends(served))


@dataclass(slots=True)
class LangGraph:
    """The process that runs the graph (:mod:`benchmarks.langgraph_turns`)."""

    process: asyncio.subprocess.Process
    threads: int = 0

    async def fill(self, kind: str, count: int) -> str:
        """A new thread with so many messages."""
        self.threads += 1
        where = f"{kind} {self.threads} {count}"
        if kind != "none":
            await self._ask(f"fill {where}")
        return where

    async def turn(self, where: str) -> float:
        """Seconds of that process's CPU."""
        return await self._ask(f"turn {where}")

    async def _ask(self, line: str) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n".encode())
        return float(await self.process.stdout.readline())


@asynccontextmanager
async def langgraph(world: World) -> AsyncIterator[LangGraph]:
    """With a database of its own on the same server, so that its tables meet none of ours."""
    connection = await asyncpg.connect(world.postgres.url)
    await connection.execute("CREATE DATABASE langgraph")
    await connection.close()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.langgraph_turns",
        world.postgres.url_of("langgraph"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield LangGraph(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
