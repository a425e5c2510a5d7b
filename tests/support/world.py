"""A database and a broker that the probe runs on, seen from outside: what a case may do there, and see."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import uuid4

import asyncpg
import orjson
from redis.asyncio import Redis

from backbone.backbone import Backbone
from backbone.handlers import Router
from common.notifications import Notifications
from common.readiness import NotReady
from tests.support.probe import COMMANDS, FACTS, SCHEMA, Note, Noted, Probe, ProbeSettings
from tests.support.wait import eventually


class World(ABC):
    """One broker's world. ``redis`` is there on every broker: it counts handlers' failures."""

    source: ClassVar[type[Any]]
    """The class through which the processor talks to the broker: faults of the broker are injected there."""

    keeps_replayed: ClassVar[bool]
    """Whether a dead letter stays where it is when it is replayed."""

    abrupt: ClassVar[Mapping[str, Any]]
    """Settings with which a stop soon gives up what it can't finish."""

    def __init__(self, database: str, redis_url: str, redis: Redis) -> None:
        self.database, self.redis_url, self.redis = database, redis_url, redis

    @abstractmethod
    async def publish(self, fields: dict[Any, Any], stream: str = COMMANDS) -> str:
        """Publish an entry of any fields. Returns its id."""

    @abstractmethod
    async def facts(self, type_: str = Noted.type) -> list[dict[str, Any]]:
        """The probe's facts, with the data decoded; without repeats, which their ids identify."""

    @abstractmethod
    async def dead(self) -> list[dict[str, str]]:
        """The dead letters, as fields."""

    @abstractmethod
    async def letters(self) -> list[Any]:
        """The dead letters, each to be replayed as an operator does it."""

    @abstractmethod
    async def replay(self, letter: Any) -> None:
        """Replay a letter, with its own mark."""

    @abstractmethod
    def replay_fields(self, letter: Any) -> dict[Any, Any]:
        """The fields of one replay, to be published any number of times."""

    @abstractmethod
    async def pending(self) -> int:
        """Number of commands that the broker counts as not done."""

    @abstractmethod
    async def is_held_up(self, entries: int) -> bool:
        """Whether so many commands wait, as far as the broker can tell."""

    @abstractmethod
    async def read_and_die(self, member: str, count: int) -> None:
        """A consumer of the probe's group takes so many commands, and then disappears."""

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

    async def note(self, subject: str, value: int, stream: str = COMMANDS, **fields: str) -> str:
        """Publish a note; its entry id."""
        entry: dict[Any, Any] = {
            "id": str(uuid4()),
            "type": Note.type,
            "source": "test",
            "data": orjson.dumps({"subject": subject, "value": value}),
            **fields,
        }
        return await self.publish(entry, stream)

    async def effects(self, subject: str | None = None) -> list[int]:
        rows = await self.execute("SELECT subject, value FROM probe_effects ORDER BY id")
        return [row["value"] for row in rows if subject in (None, row["subject"])]

    async def expect(
        self,
        *,
        effects: int | None = None,
        facts: int | None = None,
        dead: int | None = None,
        pending: int | None = None,
        held_up: int | None = None,
        timeout: float = 30,
    ) -> None:
        """Wait until there are this many, or fail with what there is."""

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
            if held_up is not None:
                assert await self.is_held_up(held_up), (
                    f"{await self.pending()} pending, not {held_up} held up"
                )
            return True

        await eventually(check, timeout=timeout)

    async def is_in_transaction(self) -> bool:
        """Whether a batch is being handled, and its handler isn't using the database right now."""
        return bool(await self.execute("SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'"))

    async def steal_consumer_leases(self) -> None:
        """Another process takes over; the replaced one isn't notified."""
        await self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
        )
        await self.execute(
            "UPDATE leases SET owner = 'other', epoch = epoch + 1 WHERE name LIKE 'consumer:%'"
        )

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


def status(backbone: Backbone, stream: str = COMMANDS) -> str:
    """What its consumer is: ``active``, ``standby`` or ``starting``."""
    return backbone._consumers[stream].status


async def until(backbone: Backbone, expected: str, *, stream: str = COMMANDS, timeout: float = 30) -> None:
    """Wait until its consumer has that status."""

    async def is_so() -> bool:
        assert status(backbone, stream) == expected
        return True

    await eventually(is_so, timeout=timeout)


async def until_not_ready(backbone: Backbone, because: str, *, stream: str = COMMANDS) -> None:
    """Wait until ``/ready`` reports its consumer, with that text in the message."""

    async def complains() -> bool:
        try:
            await backbone.checks()[f"consumer {stream}"]()
        except NotReady as error:
            return because in str(error)
        return False

    await eventually(complains)


def once(facts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Facts without their repeats: published at least once, identified by their ids."""
    return list({fact["id"]: fact for fact in facts}.values())
