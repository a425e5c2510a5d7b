"""A small stage for one mechanism: two chat processes, a few commands, one thing that goes wrong in time."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
from redis.asyncio import Redis

from tests.proof.chat.evidence import collect_chat
from tests.proof.chat.judge import ChatFindings, judge_chat
from tests.proof.chat.load import USER, create_conversations, insert_as_node, post, publish
from tests.proof.fleet import Member
from tests.proof.ledger import Command, Ledger, Way
from tests.proof.streams import leftovers
from tests.support.wait import eventually

_GET_HOLDER = "SELECT owner FROM leases WHERE name = 'consumer:chat.commands:chat' AND expires_at > now()"
_EXPIRE = "UPDATE leases SET expires_at = '-infinity' WHERE name = 'consumer:chat.commands:chat'"
_FIND = "SELECT id FROM messages WHERE content LIKE $1 || ' %'"
_LOCK = "SELECT 1 FROM conversations WHERE id = $1 FOR UPDATE"
# A transaction that waits for a row gives up soon (lock_timeout); one that waits here stays open.
_BUILD_GATE = """
CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('lock_timeout', '0', true);
    PERFORM pg_advisory_xact_lock_shared(1);
    RETURN NULL;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON messages FOR EACH STATEMENT EXECUTE FUNCTION pass_gate();
"""
_CLOSE_GATE = "SELECT pg_advisory_lock(1)"
_OPEN_GATE = "SELECT pg_advisory_unlock_all()"
_COUNT_AT_GATE = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'advisory'
"""
# Who waits for another transaction's row.
COUNT_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event IN ('transactionid', 'tuple')
"""


class Stage:
    """What a scenario works with; ``redis`` answers in text, ``database`` is autocommitting."""

    def __init__(
        self,
        chats: list[Member],
        database_url: str,
        database: "asyncpg.Connection[asyncpg.Record]",
        redis: Redis,
    ) -> None:
        self.chats, self.database_url, self.database, self.redis = chats, database_url, database, redis
        self.ledger = Ledger()
        self.conversations: list[UUID] = []

    def command(self, way: Way, conversation: int = 0) -> Command:
        """A new command, in the ledger."""
        marker = f"m{len(self.ledger.commands):06d}"
        event_id = uuid4() if way == "stream" else None
        return self.ledger.add(Command(marker, self.conversations[conversation], way, event_id))

    async def publish(self, conversation: int = 0) -> Command:
        command = self.command("stream", conversation)
        await publish(self.redis, command)
        return command

    async def repeat(self, command: Command) -> None:
        """Publish the same event once more."""
        await publish(self.redis, command)
        command.copies += 1

    async def post(self, chat: Member, conversation: int = 0) -> Command:
        """By HTTP; it must be accepted."""
        command = self.command("http", conversation)
        async with chat.client(USER) as client:
            await post(client, chat.url, command)
        assert command.outcome == "accepted", command.detail
        return command

    @asynccontextmanager
    async def node_transaction(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A transaction of the Node application, open."""
        connection = await asyncpg.connect(self.database_url)
        try:
            async with connection.transaction():
                await connection.execute("select 1")
                yield connection
        finally:
            await connection.close()

    async def insert(
        self, connection: "asyncpg.Connection[asyncpg.Record]", conversation: int = 0
    ) -> Command:
        """As the Node application does, in its transaction."""
        command = self.command("node", conversation)
        await insert_as_node(connection, command)
        return command

    @asynccontextmanager
    async def locked(self, conversation: int = 0) -> AsyncIterator[None]:
        """Hold the conversation's row, so that an append must wait."""
        connection = await asyncpg.connect(self.database_url)
        try:
            async with connection.transaction():
                await connection.execute(_LOCK, self.conversations[conversation])
                yield
        finally:
            await connection.close()

    @asynccontextmanager
    async def in_hand(self) -> AsyncIterator[Command]:
        """A command whose batch stays in the middle of its transaction, whichever process tries it.

        Until the end, or :meth:`let_go`.
        """
        await self.database.execute(_BUILD_GATE)
        await self.database.execute(_CLOSE_GATE)
        command = await self.publish()
        await eventually(lambda: self.database.fetchval(_COUNT_AT_GATE))
        yield command
        await self.let_go()

    async def let_go(self) -> None:
        """Let the command of :meth:`in_hand` go on."""
        await self.database.execute(_OPEN_GATE)

    @asynccontextmanager
    async def deaf_redis(self) -> AsyncIterator[None]:
        """Redis carries out no write; a client that waits for one has to disconnect."""
        await self.redis.client_pause(60_000, all=False)
        try:
            yield
        finally:
            await self.redis.client_unpause()

    async def holder(self) -> Member:
        """The process that consumes the commands, once there is one."""

        async def look() -> Member | None:
            owner = await self.database.fetchval(_GET_HOLDER)
            return next((chat for chat in self.chats if chat.instance == owner), None)

        found = await eventually(look)
        assert found is not None
        return found

    async def hand_over(self, old: Member) -> None:
        """Take the lease from its holder, who doesn't see it: as after a clock's jump, or a stall.

        The other process then reads.
        """
        [other] = [chat for chat in self.chats if chat is not old]
        await self.database.execute(_EXPIRE)

        async def look() -> bool:
            return await self.status(other) == "active"

        await eventually(look)

    async def status(self, chat: Member) -> str:
        """The process's own view: ``active`` or ``standby``, or on its way there."""
        async with chat.client() as client:
            checks = (await client.get("/ready")).json()["checks"]
        return str(checks["consumer chat.commands"])

    @asynccontextmanager
    async def poisoned(self, command: Command) -> AsyncIterator[None]:
        """Any process that handles the command fails, for a reason that isn't an outage."""
        check = f"content NOT LIKE '{command.marker} %'"
        await self.database.execute(f"ALTER TABLE messages ADD CONSTRAINT poison CHECK ({check}) NOT VALID")
        yield
        await self.database.execute("ALTER TABLE messages DROP CONSTRAINT poison")

    async def waiting(self) -> None:
        """Wait until a handler is in the middle of its transaction, and waits for a row that is locked."""
        await eventually(lambda: self.database.fetchval(COUNT_WAITING))

    async def handled(self, command: Command, *, timeout: float = 30) -> None:
        """Wait until the message is there."""
        await eventually(lambda: self.find(command), timeout=timeout)

    async def find(self, command: Command) -> UUID | None:
        """The id of the message, if it is there."""
        found: UUID | None = await self.database.fetchval(_FIND, command.marker)
        return found

    async def judge(self, *, patience: float = 30) -> ChatFindings:
        """Wait until nothing is in flight, for at most ``patience`` seconds, and judge."""
        deadline = time.monotonic() + patience
        while not (await leftovers(self.database_url, self.redis, "chat")).quiet:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        return judge_chat(self.ledger, await collect_chat(self.database_url, self.redis))


@asynccontextmanager
async def stage(
    database: str,
    redis: Redis,
    redis_url: str,
    folder: Path,
    *,
    without: str | None = None,
    environment: dict[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """Two processes, ready, with one mechanism switched off or none."""
    chats = [
        Member(
            "chat",
            f"chat-{number}",
            database_url=database,
            redis_url=redis_url,
            folder=folder,
            without=() if without is None else (without,),
            environment=environment,
        )
        for number in (1, 2)
    ]
    connection = await asyncpg.connect(database)
    try:
        play = Stage(chats, database, connection, redis)
        play.conversations = await create_conversations(database, 3)
        await asyncio.gather(*(chat.start() for chat in chats))
        await play.holder()
        yield play
    finally:
        await connection.close()
        await asyncio.gather(*(chat.kill() for chat in chats if chat.launches))
