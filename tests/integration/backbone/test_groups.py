"""Several services read the same facts: a slow one affects no other."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from backbone import outbox
from backbone.backbone import Backbone
from backbone.handlers import Command, Router
from backbone.outbox import Fact
from backbone.redis_streams import trimming
from common.notifications import Notifications
from common.postgres import Connection
from servicekit.settings import ServiceSettings
from tests.support import without
from tests.support.probe import FACTS, Noted, Probe
from tests.support.redis_world import RedisWorld
from tests.support.wait import eventually

FACTS_TOLD = 300
BATCH = 20


class SlowSettings(ServiceSettings):
    service: ClassVar[str] = "slow"


class QuickSettings(ServiceSettings):
    service: ClassVar[str] = "quick"


class Follower:
    """A service that reads the probe's facts; ``gate`` blocks it, like a slow handler."""

    def __init__(self, settings: type[ServiceSettings]) -> None:
        self.settings = settings
        self.seen: dict[int, float] = {}
        self.gate = asyncio.Event()
        self.router = Router(settings.service, rejected=None)
        self.router.on(Noted, self.handle, key=lambda command: command.data.subject)

    async def handle(self, _: Connection, commands: Sequence[Command[Noted]]) -> list[None]:
        await self.gate.wait()
        self.seen.update({command.data.value: time.monotonic() for command in commands})
        return [None] * len(commands)

    @asynccontextmanager
    async def running(self, world: RedisWorld) -> AsyncIterator[None]:
        settings = self.settings(
            database_url=world.database,
            redis_url=world.redis_url,
            auth_mode="dev",
            instance_name=self.settings.service,
            stream_batch_size=BATCH,
        )
        own = f"{self.settings.service}.events"
        async with Backbone(settings, Notifications(settings), {FACTS: self.router}, own):
            yield


@pytest.mark.parametrize("asked", [True, False], ids=["groups asked", "not asked"])
async def test_a_slow_group_holds_up_no_other_and_loses_nothing(
    world: RedisWorld, probe: Probe, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    """No retention: entries stay only because trimming keeps what the slow group has not read."""
    if not asked:
        without.asking_the_groups(monkeypatch)
    slow, quick = Follower(SlowSettings), Follower(QuickSettings)
    quick.gate.set()
    told: dict[int, float] = {}
    append = outbox.append

    async def timed(connection: Connection, facts: Sequence[Fact]) -> None:
        told.update({fact.data.value: time.monotonic() for fact in facts if isinstance(fact.data, Noted)})
        await append(connection, facts)

    monkeypatch.setattr(outbox, "append", timed)
    async with world.running(probe), slow.running(world), quick.running(world):
        for value in range(FACTS_TOLD):
            await world.note(f"s{value % 7}", value)
        await eventually(lambda: len(quick.seen) == FACTS_TOLD)
        await eventually(lambda: settled(world, "quick"))
        assert max(quick.seen[value] - told[value] for value in told) < 10, (
            "the quick one waited for the slow one"
        )
        held = await group(world, "slow")
        assert not slow.seen
        assert 0 < held["pending"] <= 3 * BATCH
        assert held["lag"] == FACTS_TOLD - held["pending"]
        await trimming.trim(world.redis, FACTS, retention_seconds=0, owner="slow")
        slow.gate.set()
        if asked:
            await eventually(lambda: len(slow.seen) == FACTS_TOLD)
        else:
            assert await world.redis.xlen(FACTS) < held["lag"]


async def group(world: RedisWorld, name: str) -> dict[str, Any]:
    groups: Any = await world.redis.xinfo_groups(FACTS)
    [found] = [group for group in groups if group["name"] == name]
    return dict(found)


async def settled(world: RedisWorld, name: str) -> bool:
    found = await group(world, name)
    return (found["lag"], found["pending"]) == (0, 0)
