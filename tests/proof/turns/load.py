"""Users of a served agent: they post messages, now and then interrupt the answer, and stop it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from redis.asyncio import Redis

from contracts.chat import COMMANDS_STREAM, AnnounceAgent, AppendMessage
from tests.proof.commands import DUPLICATED, add_entry, publish_command
from tests.proof.fleet import Member
from tests.proof.ledger import Command, Ledger, Way
from tests.proof.turns.runtime import AGENT
from tests.support.plain_http import NO_TLS
from tests.support.wait import eventually

USER = "asker"
SETTLED_SECONDS = 90.0
_CONVERSATIONS = """
INSERT INTO conversations (agent_id, agent_version, user_id)
SELECT $1, 'default', $2 FROM generate_series(1, $3::int) RETURNING id
"""
# A turn that is interrupted is followed by another one, which goes on.
_COUNT_UNSETTLED = """
SELECT count(*) FROM (
    SELECT DISTINCT ON (conversation_id) state FROM chat_turns ORDER BY conversation_id, number DESC
) AS newest
WHERE state NOT IN ('finished', 'failed', 'cancelled')
"""
_INTERRUPTS, _CANCELS, _BY_STREAM = 0.1, 0.1, 0.4


async def create_served_conversations(
    database_url: str, redis_url: str, chats: Sequence[Member], count: int
) -> list[UUID]:
    """Conversations with an agent that each of these processes takes to be served."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(_CONVERSATIONS, AGENT, USER, count)
    finally:
        await connection.close()
    async with Redis.from_url(redis_url, socket_timeout=5) as redis:
        data = {"agentId": AGENT, "model": "none", "description": "proves", "ttlSeconds": 86_400}
        await add_entry(redis, COMMANDS_STREAM, AnnounceAgent.type, "announce", AGENT, data)
    for member in chats:
        async with member.client(USER) as client:

            async def is_served(client: httpx.AsyncClient = client) -> bool:
                offered = (await client.get("/api/agents")).raise_for_status().json()["data"]
                return any(agent["type"] == AGENT and agent["served"] for agent in offered["builtin"])

            await eventually(is_served)
    return [row["id"] for row in rows]


class TurnsLoad:
    """Sends ``total`` messages over ``seconds``."""

    def __init__(
        self,
        ledger: Ledger,
        find_chat: Callable[[random.Random], Awaitable[str]],
        *,
        database_url: str,
        redis_url: str,
        conversations: Sequence[UUID],
        total: int,
        seconds: float,
        seed: int,
    ) -> None:
        """``find_chat`` gives the URL of a process that runs."""
        self.ledger, self._find_chat = ledger, find_chat
        self._database_url, self._redis_url = database_url, redis_url
        self._conversations = conversations
        self._total, self._seconds, self._seed = total, seconds, seed
        self._random = random.Random(f"{seed} askers")

    async def run(self) -> None:
        """Ends when each message has its answer."""
        started = time.monotonic()
        asking: set[asyncio.Task[None]] = set()
        headers = {"X-User-Id": USER, "Accept": "application/json"}
        async with (
            Redis.from_url(self._redis_url, socket_timeout=5) as redis,
            httpx.AsyncClient(timeout=8, trust_env=False, headers=headers, verify=NO_TLS) as client,
        ):
            for number in range(self._total):
                due = started + self._seconds * (number + 1) / self._total
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                way: Way = "stream" if self._random.random() < _BY_STREAM else "http"
                marker = f"u{self._seed}-{number:05d}"
                command = Command(marker, self._random.choice(self._conversations), way)
                self.ledger.add(command)
                rng = random.Random(f"{self._seed} {marker}")
                asking.add(asyncio.create_task(self._ask(command, rng, client, redis)))
            await asyncio.gather(*asking)

    async def settle(self, timeout: float = SETTLED_SECONDS) -> bool:
        """Wait until every turn has ended, and none is left to go on; whether that came to pass."""
        connection = await asyncpg.connect(self._database_url)

        async def look() -> bool:
            return not await connection.fetchval(_COUNT_UNSETTLED)

        try:
            await eventually(look, timeout=timeout, interval=0.2)
        except AssertionError:
            return False
        finally:
            await connection.close()
        return True

    async def _ask(
        self, command: Command, rng: random.Random, client: httpx.AsyncClient, redis: Redis
    ) -> None:
        if rng.random() < _CANCELS:
            await self._cancel(command.conversation, rng, client)
        busy = "interrupt" if rng.random() < _INTERRUPTS else "queue"
        if command.way == "stream":
            await self._publish(command, busy, rng, redis)
            return
        body = {"content": _content(command), "onBusy": busy}
        path = f"/api/conversations/{command.conversation}/messages"
        command.ask()
        answer = await self._request(client, rng, "POST", path, body, {"Idempotency-Key": command.marker})
        if answer.status_code == 200:
            command.close("accepted")
        else:
            command.close("refused", f"{answer.status_code} {answer.text}")

    async def _publish(self, command: Command, busy: str, rng: random.Random, redis: Redis) -> None:
        command.event_id = UUID(int=rng.getrandbits(128), version=4)
        data = {
            "conversationId": str(command.conversation),
            "role": "user",
            "content": _content(command),
            "onBusy": busy,
        }
        await publish_command(redis, COMMANDS_STREAM, AppendMessage.type, command, data)
        if rng.random() < DUPLICATED:
            command.copies += 1
            await publish_command(redis, COMMANDS_STREAM, AppendMessage.type, command, data)

    async def _cancel(self, conversation: UUID, rng: random.Random, client: httpx.AsyncClient) -> None:
        """Stop the newest turn, if it hasn't ended."""
        path = f"/api/conversations/{conversation}/turns"
        newest = await self._request(client, rng, "GET", f"{path}?limit=1")
        for turn in newest.json()["data"]:
            if turn["state"] in ("requested", "running"):
                await self._request(client, rng, "POST", f"{path}/{turn['turnId']}/cancel")

    async def _request(
        self,
        client: httpx.AsyncClient,
        rng: random.Random,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Ask one process after the other until there is an answer; its key makes a repeat safe."""
        while True:
            url = await self._find_chat(rng)
            try:
                answer = await client.request(method, url + path, json=body, headers=headers)
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 500 and not _is_under_way(answer):
                return answer
            await asyncio.sleep(0.1)


def _is_under_way(answer: httpx.Response) -> bool:
    """The same request is just being carried out by a process that was too slow to answer, or died."""
    return answer.status_code == 409 and "still runs" in answer.text


def _content(command: Command) -> str:
    return f"{command.marker} what is it?"
