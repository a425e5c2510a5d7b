"""The probe's world on Redis Streams: what the cases do and see, as entries."""

from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from redis.asyncio import Redis

from backbone.redis_streams import letters as dead_letters
from backbone.redis_streams.group import Group
from backbone.redis_streams.letters import Filters, Letter
from tests.support.probe import COMMANDS, FACTS, Noted
from tests.support.world import World, once

DEAD = f"{COMMANDS}.dead"


class RedisWorld(World):
    """``redis``, emptied, is the broker too; it answers in text."""

    source: ClassVar[type[Any]] = Group
    keeps_replayed: ClassVar[bool] = False
    abrupt: ClassVar[Mapping[str, Any]] = {"shutdown_grace_seconds": 0.2}

    async def publish(self, fields: dict[Any, Any], stream: str = COMMANDS) -> str:
        return str(await self.redis.xadd(stream, fields))

    async def facts(self, type_: str = Noted.type) -> list[dict[str, Any]]:
        entries: Any = await self.redis.xrange(FACTS)
        return once([{**f, "data": orjson.loads(f["data"])} for _, f in entries if f["type"] == type_])

    async def dead(self) -> list[dict[str, str]]:
        entries: Any = await self.redis.xrange(DEAD)
        return [fields for _, fields in entries]

    async def letters(self) -> list[Letter]:
        async with Redis.from_url(self.redis_url) as redis:
            return [letter async for page in dead_letters.find(redis, Filters()) for letter in page]

    async def replay(self, letter: Letter) -> None:
        async with Redis.from_url(self.redis_url) as redis:
            await dead_letters.replay(redis, [letter])

    def replay_fields(self, letter: Letter) -> dict[Any, Any]:
        return letter.replay_fields()

    async def pending(self) -> int:
        summary: Any = await self.redis.xpending(COMMANDS, "probe")
        return int(summary["pending"])

    async def is_held_up(self, entries: int) -> bool:
        return await self.pending() == entries

    async def read_and_die(self, member: str, count: int) -> None:
        if not await self._has_group():
            await self.redis.xgroup_create(COMMANDS, "probe", id="0")
        await self.redis.xreadgroup("probe", member, {COMMANDS: ">"}, count=count)

    async def _has_group(self) -> bool:
        groups: Any = await self.redis.xinfo_groups(COMMANDS)
        return any(group["name"] == "probe" for group in groups)
