"""What prevents that ids are treated as the time, or as permanent positions."""

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from redis.exceptions import ResponseError

from backbone.publishing import EntryFields
from backbone.redis_streams import trimming
from backbone.redis_streams.group import Group
from backbone.redis_streams.publisher import RedisPublisher
from tests.support.without.patch import Patch


def remaking_at_the_beginning(patch: Patch) -> None:
    """A lost group is recreated where it had read to."""
    read_to = "0"
    acknowledge = Group.acknowledge

    async def remember(self: Group, entry_ids: Sequence[str]) -> None:
        nonlocal read_to
        await acknowledge(self, entry_ids)
        read_to = max([read_to, *entry_ids])

    async def ensure(self: Group) -> bool:
        try:
            await self.redis.xgroup_create(self.stream, self.name, id=read_to, mkstream=True)
        except ResponseError:
            return False
        return True

    patch.setattr(Group, "acknowledge", remember)
    patch.setattr(Group, "ensure", ensure)


def numbering_by_redis(patch: Patch) -> list[ResponseError]:
    """Facts are numbered by the publisher's clock; what Redis refuses of that."""
    refused: list[ResponseError] = []

    async def publish(self: RedisPublisher, stream: str, entries: Sequence[EntryFields]) -> Sequence[str]:
        now = int(time.time() * 1000)
        ids = [f"{now}-{i}" for i in range(len(entries))]
        try:
            for entry_id, fields in zip(ids, entries, strict=True):
                given: Any = fields
                await self._redis.xadd(stream, given, id=entry_id)
        except ResponseError as error:
            refused.append(error)
            raise
        return ids

    patch.setattr(RedisPublisher, "publish", publish)
    return refused


def ages_by_the_clock(patch: Patch, newest: str) -> None:
    """The age of entries is counted from the newest one's id."""
    seconds = int(newest.partition("-")[0]) / 1000
    patch.setattr(trimming, "time", SimpleNamespace(time=lambda: seconds))


def idleness_by_the_group(patch: Patch) -> None:
    """How long an entry waits is read from its id."""

    async def list_idle(self: Group, idle_seconds: float, count: int = 100) -> list[str]:
        before = f"{int((time.time() - idle_seconds) * 1000)}"
        rows: Any = await self.redis.xpending_range(self.stream, self.name, "-", before, count)
        return [row["message_id"].decode() for row in rows]

    patch.setattr(Group, "list_idle", list_idle)
