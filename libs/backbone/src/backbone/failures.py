"""Handler failures, counted in Redis by entry: they survive a restart of the process that failed."""

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
        """Count one more; how many there were."""
        pipeline = self.redis.pipeline(transaction=True)
        pipeline.hincrby(self._key, entry_id, 1)
        pipeline.expire(self._key, MEMORY_SECONDS)
        count, _ = await pipeline.execute()
        return int(count)

    async def forget(self, entry_id: str) -> None:
        await self.redis.hdel(self._key, entry_id)

    @property
    def _key(self) -> str:
        return f"{self.stream}:{self.group}:failures"
