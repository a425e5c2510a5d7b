"""Handler failures, counted by entry in Redis, so that the counts survive a restart."""

from dataclasses import dataclass

from redis.asyncio import Redis

MEMORY_SECONDS = 7 * 86_400


@dataclass(slots=True, frozen=True)
class Failures:
    """The failures of one group's entries."""

    redis: Redis
    stream: str
    group: str

    async def count(self, entry_id: str) -> int:
        """Count one more failure. Returns the number so far."""
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.hincrby(self._key, entry_id, 1)
        pipeline.expire(self._key, MEMORY_SECONDS)
        count, _ = await pipeline.execute()
        return int(count)

    async def forget(self, entry_id: str) -> None:
        """Reset an entry's count."""
        await self.redis.hdel(self._key, entry_id)

    @property
    def _key(self) -> str:
        return f"{self.stream}:{self.group}:failures"
