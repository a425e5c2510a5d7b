"""The seeded load of chat: messages by the stream, by HTTP and by inserts as the Node application makes them.

All writers except those over HTTP talk to the servers directly, not through the bad network. An answer that
they got is an acceptance. If they got none they ask again, or count it as unknown.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from redis.asyncio import Redis

from contracts.chat import AppendMessage
from tests.proof.chat.evidence import COMMANDS
from tests.proof.commands import DUPLICATED, post_command, publish_command, running_together
from tests.proof.fleet import Fleet
from tests.proof.ledger import Command, Ledger, Way
from tests.support.plain_http import NO_TLS
from tests.support.wait import eventually

USER = "prover"
NODE_CONVERSATIONS = """
insert into "conversations" ("agent_id", "agent_version", "user_id")
select 'module-writer', 'grok-fast', $1 from generate_series(1, $2::int) returning "id"
"""
# The statement of the Node application, which leaves `created_at` to its default.
NODE_MESSAGE = """
insert into "messages" ("content", "conversation_id", "latency_ms", "role", "token_count", "tool_calls")
values ($1, $2, $3, $4, $5, $6) returning *
"""
_WAYS: tuple[Way, ...] = ("stream", "http", "node")
_SHARES = (0.6, 0.2, 0.2)
_WRITERS: dict[Way, int] = {"stream": 4, "http": 6, "node": 4}
_SLOW_TRANSACTION = 0.2
_NODE_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's error for a connection that was cut in mid-statement
)


async def create_conversations(database_url: str, count: int, user: str = USER) -> list[UUID]:
    """Conversations of ``user``, as the Node application leaves them."""
    connection = await asyncpg.connect(database_url)
    try:
        return [row["id"] for row in await connection.fetch(NODE_CONVERSATIONS, user, count)]
    finally:
        await connection.close()


class ChatLoad:
    """Publishes ``total`` commands over ``seconds``; ``published`` counts them as it goes."""

    def __init__(
        self,
        ledger: Ledger,
        fleet: Fleet,
        *,
        database_url: str,
        redis_url: str,
        conversations: Sequence[UUID],
        total: int,
        seconds: float,
        seed: int,
        enough: Callable[[], bool],
    ) -> None:
        """``enough`` says whether enough was broken for the load to end."""
        self._ledger, self._fleet, self._enough = ledger, fleet, enough
        self._database_url, self._redis_url = database_url, redis_url
        self._conversations = conversations
        self._total, self._seconds = total, seconds
        self._random = random.Random(seed)
        self._seed = seed
        self._queues: dict[Way, asyncio.Queue[Command | None]] = {way: asyncio.Queue() for way in _WAYS}
        self.published = 0

    async def run(self) -> None:
        """Publish everything; ends when each command has its answer, or never will."""
        async with Redis.from_url(self._redis_url, socket_timeout=5) as redis:
            tasks = [asyncio.create_task(self._pace(), name="pace")]
            for way, count in _WRITERS.items():
                write = {"stream": self._publish, "http": self._post, "node": self._insert}[way]
                for number in range(count):
                    rng = random.Random(f"{self._seed} {way} {number}")
                    tasks.append(asyncio.create_task(write(rng, redis), name=f"{way} {number}"))
            await running_together(tasks)

    async def _pace(self) -> None:
        """Distribute commands evenly over time; on a slow machine the last twentieth waits for the faults."""
        started = time.monotonic()
        held_back = max(1, self._total // 20)
        for number in range(self._total):
            [way] = self._random.choices(_WAYS, _SHARES)
            marker = f"m{self._seed}-{number:06d}"
            command = Command(marker, self._random.choice(self._conversations), way)
            if way == "stream":
                command.event_id = UUID(int=self._random.getrandbits(128), version=4)
            self._queues[way].put_nowait(self._ledger.add(command))
            due = started + self._seconds * (number + 1) / self._total
            if (pause := due - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            if self._total - number == held_back:
                with suppress(AssertionError):  # then it is the report that says so
                    await eventually(self._enough, timeout=2 * self._seconds, interval=0.2)
        for way, count in _WRITERS.items():
            for _ in range(count):
                self._queues[way].put_nowait(None)

    async def _publish(self, rng: random.Random, redis: Redis) -> None:
        again: list[Command] = []
        while command := await self._queues["stream"].get():
            await publish(redis, command)
            self.published += 1
            if rng.random() < DUPLICATED:
                if rng.random() < 0.3:
                    await publish(redis, command)
                    command.copies += 1
                else:
                    again.append(command)
            if again and rng.random() < 0.05:
                late = again.pop(0)
                await publish(redis, late)
                late.copies += 1
        for late in again:  # some come much later than what they repeat
            await publish(redis, late)
            late.copies += 1

    async def _post(self, rng: random.Random, _: Redis) -> None:
        async with httpx.AsyncClient(
            timeout=8,
            trust_env=False,
            headers={"X-User-Id": USER, "Accept": "application/json"},  # not the turn's stream
            verify=NO_TLS,
        ) as client:
            while command := await self._queues["http"].get():
                await self._post_one(client, rng, command)
                self.published += 1

    async def _post_one(self, client: httpx.AsyncClient, rng: random.Random, command: Command) -> None:
        while command.outcome == "open":
            try:
                await post(client, await self._fleet.someone("chat", rng), command)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                await asyncio.sleep(0.05)  # it was never sent: another process is asked

    async def _insert(self, rng: random.Random, _: Redis) -> None:
        connection: Any = None
        while command := await self._queues["node"].get():
            while connection is None or connection.is_closed():
                try:
                    connection = await asyncpg.connect(self._database_url, timeout=5)
                except _NODE_ERRORS:
                    await asyncio.sleep(0.1)
            think = rng.random() * 0.3 if rng.random() < _SLOW_TRANSACTION else 0
            try:
                await _insert_thinking(connection, command, think)
            except _NODE_ERRORS as error:
                command.close("unknown", repr(error))
                connection.terminate()
            self.published += 1
        if connection is not None:
            with suppress(*_NODE_ERRORS):
                await connection.close(timeout=5)


async def _insert_thinking(connection: Any, command: Command, think_seconds: float) -> None:
    """As the Node application does, now and then inside a transaction that began some time before."""
    if not think_seconds:
        await insert_as_node(connection, command)
    else:
        async with connection.transaction():
            await connection.execute("select 1", timeout=10)
            await asyncio.sleep(think_seconds)
            await insert_as_node(connection, command)
    command.close("accepted")


async def insert_as_node(connection: Any, command: Command) -> None:
    """One insert of the Node application's; it is accepted when its transaction commits."""
    command.ask()
    await connection.execute(
        NODE_MESSAGE, _content(command), command.conversation, 30, "user", 12, None, timeout=10
    )


async def publish(redis: Redis, command: Command) -> None:
    """Publish until it is answered: the event id makes that safe."""
    conversation = str(command.conversation)
    data = {"conversationId": conversation, "role": "user", "content": _content(command)}
    await publish_command(redis, COMMANDS, AppendMessage.type, command, data)


def _content(command: Command) -> str:
    return f"{command.marker} " + "what a person would write to an agent. " * 4


async def post(client: httpx.AsyncClient, url: str, command: Command) -> None:
    """Ask by HTTP, once; raises httpx.ConnectError or ConnectTimeout when it could not even be asked."""
    path = f"/api/conversations/{command.conversation}/messages"
    await post_command(client, url + path, command, {"content": _content(command)})
