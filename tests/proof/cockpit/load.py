"""The seeded load of cockpit: lines to say on running servers, and conversations that are deleted under them.

Each user has one conversation with a running server. In most of them every line is counted; the others are
deleted, through chat, by its stream and by HTTP, and chat's fact must stop the server.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import httpx
from redis.asyncio import Redis

from contracts.chat import DeleteConversation
from contracts.cockpit import ExecuteCommand, StartServer
from tests.proof.chat.load import create_conversations
from tests.proof.commands import (
    DUPLICATED,
    add_entry,
    post_command,
    publish_command,
    running_together,
)
from tests.proof.fleet import Fleet
from tests.proof.ledger import Command, Ledger, Way
from tests.support.plain_http import NO_TLS
from tests.support.wait import eventually

COMMANDS, CHAT_COMMANDS = "cockpit.commands", "chat.commands"
_LIST_RUNNING = """
SELECT session_id, conversation_id FROM cockpit_game_servers
WHERE status = 'running' AND user_id = ANY($1::text[])
"""
_BY_HTTP = 0.25


@dataclass(slots=True)
class Seat:
    """A user in a conversation; ``session`` once their server runs."""

    user: str
    conversation: UUID
    session: UUID = field(default=UUID(int=0))


@dataclass(slots=True)
class CockpitLedger:
    """What cockpit was asked to do: ``says`` in the conversations of ``seats``, ``deletions`` of those of
    ``spares`` (their markers are the conversations' ids)."""

    seats: Sequence[Seat]
    spares: Sequence[Seat]
    says: Ledger = field(default_factory=Ledger)
    deletions: Ledger = field(default_factory=Ledger)


async def take_seats(database_url: str, count: int, spares: int) -> CockpitLedger:
    """A conversation each for so many users, as the Node application leaves them."""
    users = [f"player-{number}" for number in range(count + spares)]
    seats = [Seat(user, (await create_conversations(database_url, 1, user))[0]) for user in users]
    return CockpitLedger(seats[:count], seats[count:])


async def start_servers(ledger: CockpitLedger, database_url: str, redis_url: str) -> None:
    """Start every user's server by command, each twice, and wait until they run."""
    seats = [*ledger.seats, *ledger.spares]
    async with Redis.from_url(redis_url, socket_timeout=5) as redis:
        for seat in seats * 2:
            data = {"conversationId": str(seat.conversation), "userId": seat.user}
            await add_entry(redis, COMMANDS, StartServer.type, f"start {seat.user}", seat.user, data)
    connection = await asyncpg.connect(database_url)
    try:

        async def look() -> bool:
            rows = await connection.fetch(_LIST_RUNNING, [seat.user for seat in seats])
            sessions = {row["conversation_id"]: row["session_id"] for row in rows}
            for seat in seats:
                seat.session = sessions.get(seat.conversation, seat.session)
            return len(sessions) == len(seats)

        await eventually(look, timeout=60, interval=0.1)
    finally:
        await connection.close()


class CockpitLoad:
    """Says ``total`` lines over ``seconds``, and deletes the conversations of all spares meanwhile."""

    def __init__(
        self,
        ledger: CockpitLedger,
        fleet: Fleet,
        *,
        redis_url: str,
        total: int,
        seconds: float,
        seed: int,
    ) -> None:
        self._ledger, self._fleet = ledger, fleet
        self._redis_url = redis_url
        self._total, self._seconds, self._seed = total, seconds, seed
        self._random = random.Random(f"{seed} cockpit")
        self._queues: dict[Way, asyncio.Queue[Command | None]] = {
            "stream": asyncio.Queue(),
            "http": asyncio.Queue(),
        }

    async def run(self) -> None:
        """Say and delete everything; ends when each command has its answer, or never will."""
        async with Redis.from_url(self._redis_url, socket_timeout=5) as redis:
            writers = [
                asyncio.create_task(self._pace()),
                asyncio.create_task(self._say_by_stream(redis)),
                asyncio.create_task(self._say_by_http(random.Random(f"{self._seed} cockpit http"))),
                asyncio.create_task(self._delete(redis, random.Random(f"{self._seed} deletions"))),
            ]
            await running_together(writers)

    async def _pace(self) -> None:
        started = time.monotonic()
        for number in range(self._total):
            way: Way = "http" if self._random.random() < _BY_HTTP else "stream"
            seat = self._random.choice(self._ledger.seats)
            marker = f"s{self._seed}-{number:06d}"
            command = Command(marker, seat.conversation, way)
            if way == "stream":
                command.event_id = UUID(int=self._random.getrandbits(128), version=4)
            self._queues[way].put_nowait(self._ledger.says.add(command))
            await _until(started + self._seconds * (number + 1) / self._total)
        for queue in self._queues.values():
            queue.put_nowait(None)

    async def _say_by_stream(self, redis: Redis) -> None:
        users = {seat.conversation: seat.user for seat in self._ledger.seats}
        again: list[Command] = []
        while command := await self._queues["stream"].get():
            await say(redis, command, users[command.conversation])
            if self._random.random() < DUPLICATED:
                again.append(command)
            if again and self._random.random() < 0.2:
                late = again.pop(0)
                await repeat(redis, late, users[late.conversation])
        for late in again:
            await repeat(redis, late, users[late.conversation])

    async def _say_by_http(self, rng: random.Random) -> None:
        seats = {seat.conversation: seat for seat in self._ledger.seats}
        async with httpx.AsyncClient(timeout=8, trust_env=False, verify=NO_TLS) as client:
            while command := await self._queues["http"].get():
                seat = seats[command.conversation]
                client.headers["X-User-Id"] = seat.user
                path = f"/api/cockpit/sessions/{seat.session}/mock-server/command"
                while command.outcome == "open":
                    url = await self._fleet.someone("cockpit", rng)
                    try:
                        await post_command(client, url + path, command, {"command": f"say {command.marker}"})
                    except (httpx.ConnectError, httpx.ConnectTimeout):
                        await asyncio.sleep(0.05)  # it was never sent: another process is asked

    async def _delete(self, redis: Redis, rng: random.Random) -> None:
        """One spare conversation after the other, by turns on chat's stream and by HTTP."""
        started, spares = time.monotonic(), self._ledger.spares
        for number, seat in enumerate(spares):
            await _until(started + self._seconds * (number + 0.5) / len(spares))
            command = Command(str(seat.conversation), seat.conversation, "http" if number % 2 else "stream")
            self._ledger.deletions.add(command)
            if command.way == "http":
                await self._delete_by_http(command, seat.user, rng)
            else:
                command.event_id = UUID(int=rng.getrandbits(128), version=4)
                data = {"conversationId": str(seat.conversation)}
                for _ in range(rng.choice((1, 2))):
                    await publish_command(redis, CHAT_COMMANDS, DeleteConversation.type, command, data)

    async def _delete_by_http(self, command: Command, user: str, rng: random.Random) -> None:
        """Repeat until an answer says that it is gone: a second request gets 404."""
        command.ask()
        async with httpx.AsyncClient(
            timeout=8, trust_env=False, headers={"X-User-Id": user}, verify=NO_TLS
        ) as client:
            while command.outcome == "open":
                url = await self._fleet.someone("chat", rng)
                try:
                    answer = await client.delete(f"{url}/api/conversations/{command.conversation}")
                except httpx.HTTPError:
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code in (200, 404):
                    command.close("accepted")
                elif answer.status_code < 500:
                    command.close("refused", f"{answer.status_code} {answer.text}")


async def say(redis: Redis, command: Command, user: str) -> None:
    """Publish the line until it is answered."""
    conversation = str(command.conversation)
    data = {"conversationId": conversation, "userId": user, "command": f"say {command.marker}"}
    await publish_command(redis, COMMANDS, ExecuteCommand.type, command, data)


async def repeat(redis: Redis, command: Command, user: str) -> None:
    """Publish the same event once more."""
    await say(redis, command, user)
    command.copies += 1


async def _until(moment: float) -> None:
    if (pause := moment - time.monotonic()) > 0:
        await asyncio.sleep(pause)
