"""Publishing to Redis Streams."""

from collections.abc import Sequence
from typing import Any, ClassVar

from redis.asyncio import Redis

from backbone.publishing import EntryFields


class RedisPublisher:
    """Publishes each call in one transaction: all entries or none.

    In a bare pipeline an entry that is refused (Redis is full) could be followed by one that isn't. A later
    fact would then overtake an earlier one of its subject. A script would work too, but takes twice the CPU
    of Redis.
    """

    system: ClassVar[str] = "redis"

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, stream: str, entries: Sequence[EntryFields]) -> Sequence[str]:
        pipeline = self._redis.pipeline(transaction=True)
        for fields in entries:
            given: Any = fields
            pipeline.xadd(stream, given)
        return [entry_id.decode() for entry_id in await pipeline.execute()]
