"""The consumer group of a stream: created at 0, read page by page, with nothing left behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from backbone.burials import Burials
from backbone.dead_letters import DeadLetter, dead_fields, dead_stream
from backbone.events import RawEntry
from backbone.failures import Failures


@dataclass(slots=True, frozen=True)
class Group:
    """One consumer group of one stream. ``redis`` answers in bytes, because fields may hold anything."""

    system: ClassVar[str] = "redis"

    redis: Redis
    stream: str
    name: str

    @property
    def failures(self) -> Failures:
        """Failures, counted in the same Redis as the stream, so that they survive a restart."""
        return Failures(self.redis, self.stream, self.name)

    async def ensure(self) -> bool:
        """Create the stream and the group at 0 if they are missing. Returns whether it did.

        At 0, entries published before the first start count. Entries that a lost group had read come again,
        and the inbox skips those.
        """
        try:
            await self.redis.xgroup_create(self.stream, self.name, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
            return False
        return True

    async def list_pending(self, after: str = "-", count: int = 100) -> list[tuple[str, str]]:
        """``(entry id, consumer)`` of each pending entry of any consumer, in id order."""
        start = after if after == "-" else f"({after}"
        rows: Any = await self.redis.xpending_range(self.stream, self.name, min=start, max="+", count=count)
        return [(row["message_id"].decode(), row["consumer"].decode()) for row in rows]

    async def claim(self, consumer: str, entry_ids: Sequence[str]) -> list[RawEntry]:
        """Claim entries from their consumers. Entries deleted from the stream are left out."""
        if not entry_ids:
            return []
        claimed: Any = await self.redis.xclaim(
            self.stream, self.name, consumer, min_idle_time=0, message_ids=list(entry_ids)
        )
        return [(entry_id.decode(), fields) for entry_id, fields in claimed if fields is not None]

    async def fetch(self, entry_ids: Sequence[str]) -> list[RawEntry]:
        """Read entries by id, in the given order, without those that no longer exist."""
        pipeline = self.redis.pipeline(transaction=False)
        for entry_id in entry_ids:
            pipeline.xrange(self.stream, min=entry_id, max=entry_id)
        found = await pipeline.execute()
        return [(rows[0][0].decode(), rows[0][1]) for rows in found if rows]

    async def is_held_by_others(self, consumer: str) -> bool:
        """Whether any other consumer has pending entries."""
        summary: Any = await self.redis.xpending(self.stream, self.name)
        return any(row["name"].decode() != consumer for row in summary["consumers"] if row["pending"])

    async def list_idle(self, idle_seconds: float, count: int = 100) -> list[str]:
        """Ids of pending entries that were not delivered for ``idle_seconds``, in id order."""
        rows: Any = await self.redis.xpending_range(
            self.stream, self.name, min="-", max="+", count=count, idle=int(idle_seconds * 1000)
        )
        return [row["message_id"].decode() for row in rows]

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """Acknowledge entries in one call."""
        if entry_ids:
            await self.redis.xack(self.stream, self.name, *entry_ids)

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Move entries to the dead letter stream and acknowledge them, in one Redis transaction.

        An entry whose dead letter was written before is only acknowledged.
        """
        if not letters:
            return
        burials = Burials(self.redis, self.stream, self.name)
        new = await burials.new(letters)
        pipeline = self.redis.pipeline(transaction=True)
        burials.note(pipeline, new)
        for letter in new:
            fields: dict[Any, Any] = dead_fields(letter, self.stream, self.name)
            pipeline.xadd(dead_stream(self.stream), fields)
        pipeline.xack(self.stream, self.name, *(letter.entry[0] for letter in letters))
        await pipeline.execute()

    async def remove_idle_consumers(self, idle_seconds: float) -> list[str]:
        """Delete idle consumers without pending entries. Returns their names.

        Each connection of a reader leaves one behind. The active reader isn't idle: it reads every second.
        """
        removed = []
        try:
            rows: Any = await self.redis.xinfo_consumers(self.stream, self.name)
        except ResponseError as error:
            if "no such key" not in str(error) and "NOGROUP" not in str(error):
                raise
            return []  # it is created when its consumer is first active
        for row in rows:
            name = row["name"].decode()
            if row["pending"] == 0 and row["idle"] > idle_seconds * 1000:
                await self.redis.xgroup_delconsumer(self.stream, self.name, name)
                removed.append(name)
        return removed
