"""A service small enough to see the backbone through: each command leaves one row and one fact."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import uuid4

import asyncpg
import orjson
from redis.asyncio import Redis

from backbone import outbox
from backbone.backbone import Backbone
from backbone.handlers import Command, Router
from backbone.outbox import Fact
from common.errors import NotFound
from common.notifications import Notifications
from common.postgres import Connection
from contracts import CommandRejected, Contract
from servicekit.settings import ServiceSettings
from tests.support.wait import eventually

COMMANDS, FACTS = "probe.commands", "probe.events"

SCHEMA = """
CREATE TABLE probe_subjects (name text PRIMARY KEY, sequence bigint NOT NULL DEFAULT 0);
CREATE TABLE probe_effects (id bigint GENERATED ALWAYS AS IDENTITY, subject text, value int);
"""


class ProbeSettings(ServiceSettings):
    service: ClassVar[str] = "probe"


class Note(Contract):
    """Leave a row."""

    type: ClassVar[str] = "probe.note.v1"
    subject: str
    value: int


class Noted(Contract):
    """A row was left."""

    type: ClassVar[str] = "probe.noted.v1"
    subject: str
    value: int


class Rejected(CommandRejected):
    """A note was refused."""

    type: ClassVar[str] = "probe.command.rejected.v1"


class Probe:
    """The handler; ``failing`` maps a subject to the error that its notes raise."""

    def __init__(self) -> None:
        self.failing: dict[str, Exception] = {}
        self.attempts: list[tuple[str, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.router = Router("probe", rejected=Rejected)
        self.router.on(Note, self.handle, key=lambda command: command.data.subject)

    async def handle(self, connection: Connection, commands: Sequence[Command[Note]]) -> list[None]:
        facts = []
        for command in commands:
            await self.gate.wait()
            note = command.data
            self.attempts.append((note.subject, note.value))
            if note.subject in self.failing:
                raise self.failing[note.subject]
            sequence = await connection.fetchval(
                "INSERT INTO probe_subjects AS s (name, sequence) VALUES ($1, 1) "
                "ON CONFLICT (name) DO UPDATE SET sequence = s.sequence + 1 RETURNING sequence",
                note.subject,
            )
            await connection.execute(
                "INSERT INTO probe_effects (subject, value) VALUES ($1, $2)", note.subject, note.value
            )
            data = Noted(subject=note.subject, value=note.value)
            facts.append(Fact(FACTS, note.subject, sequence, data, trace=command.trace))
        await outbox.append(connection, facts)
        return [None] * len(commands)


class Refuse(Contract):
    """A command that is always refused."""

    type: ClassVar[str] = "probe.refuse.v1"
    subject: str


async def refuse(connection: Connection, command: Command[Refuse]) -> None:
    await connection.execute(
        "INSERT INTO probe_effects (subject, value) VALUES ($1, -1)", command.data.subject
    )
    raise NotFound("no such subject", code="subject_not_found")


class World:
    """A database and a Redis that the probe runs on, seen from outside."""

    def __init__(self, database: str, redis_url: str, redis: Redis) -> None:
        self.database, self.redis_url, self.redis = database, redis_url, redis

    async def prepare(self) -> None:
        await self.execute(SCHEMA)

    async def execute(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database)
        try:
            if arguments:
                return await connection.fetch(statement, *arguments)
            if statement.lstrip().upper().startswith("SELECT"):
                return await connection.fetch(statement)
            await connection.execute(statement)
            return []
        finally:
            await connection.close()

    async def note(self, subject: str, value: int, **fields: str) -> str:
        """Publish a note; its entry id."""
        entry: dict[Any, Any] = {
            "id": str(uuid4()),
            "type": Note.type,
            "source": "test",
            "data": orjson.dumps({"subject": subject, "value": value}),
            **fields,
        }
        return await self.publish(entry)

    async def publish(self, fields: dict[Any, Any]) -> str:
        """Publish an entry of these fields, whatever they are; its id."""
        return str(await self.redis.xadd(COMMANDS, fields))

    async def effects(self, subject: str | None = None) -> list[int]:
        rows = await self.execute("SELECT subject, value FROM probe_effects ORDER BY id")
        return [row["value"] for row in rows if subject in (None, row["subject"])]

    async def facts(self, type_: str = Noted.type) -> list[dict[str, Any]]:
        entries: Any = await self.redis.xrange(FACTS)
        found = [{**f, "data": orjson.loads(f["data"])} for _, f in entries if f["type"] == type_]
        # Published at least once: what a consumer does with the id that every fact has.
        return list({fact["id"]: fact for fact in found}.values())

    async def dead(self) -> list[dict[str, str]]:
        entries: Any = await self.redis.xrange(f"{COMMANDS}.dead")
        return [fields for _, fields in entries]

    async def pending(self) -> int:
        summary: Any = await self.redis.xpending(COMMANDS, "probe")
        return int(summary["pending"])

    async def expect(
        self,
        *,
        effects: int | None = None,
        facts: int | None = None,
        dead: int | None = None,
        pending: int | None = None,
        timeout: float = 10,
    ) -> None:
        """Wait until there are as many as said, or fail with what there is."""

        async def check() -> bool:
            if effects is not None:
                found = len(await self.effects())
                assert found == effects, f"{found} effects instead of {effects}"
            if facts is not None:
                found = len(await self.facts())
                assert found == facts, f"{found} facts instead of {facts}"
            if dead is not None:
                found = len(await self.dead())
                assert found == dead, f"{found} dead letters instead of {dead}"
            if pending is not None:
                found = await self.pending()
                assert found == pending, f"{found} pending instead of {pending}"
            return True

        await eventually(check, timeout=timeout)

    def settings(self, instance: str = "probe-1", **changes: Any) -> ProbeSettings:
        usual: dict[str, Any] = {
            "database_url": self.database,
            "redis_url": self.redis_url,
            "retry_backoff_seconds": 0.05,
            "retry_backoff_max_seconds": 0.3,
        }
        return ProbeSettings(auth_mode="dev", instance_name=instance, **(usual | changes))

    @asynccontextmanager
    async def running(
        self,
        probe: Probe,
        instance: str = "probe-1",
        *,
        streams: Mapping[str, Router] | None = None,
        **changes: Any,
    ) -> AsyncIterator[Backbone]:
        """The probe's backbone, in this process; ``streams`` in place of its commands."""
        settings = self.settings(instance, **changes)
        notifications = Notifications(settings)
        listening = asyncio.create_task(notifications.run())
        backbone = Backbone(settings, notifications, streams or {COMMANDS: probe.router}, FACTS)
        try:
            async with backbone:
                yield backbone
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
