"""Redis Streams as the event bus: a single active consumer for each stream and group, under a lease."""

from collections.abc import Sequence
from types import TracebackType

from backbone.batch import BatchTransaction
from backbone.dead_letters import dead_stream
from backbone.handlers import Router
from backbone.leases import LeaseKeeper
from backbone.names import consumer_lease
from backbone.processor import Processor
from backbone.redis_streams.consumer import StreamConsumer
from backbone.redis_streams.group import Group
from backbone.redis_streams.losses import Losses
from backbone.redis_streams.publisher import RedisPublisher
from backbone.redis_streams.trimming import trim
from backbone.settings import BackboneSettings
from common.postgres import Pool
from common.redis_clients import open_redis

IDLE_CONSUMER_SECONDS = 3_600.0


class RedisBus:
    """One connection pool for everything except FastStream's reads."""

    def __init__(self, settings: BackboneSettings, pool: Pool) -> None:
        self._settings, self._pool = settings, pool
        self._redis = open_redis(settings.event_bus_url)
        self.publisher = RedisPublisher(self._redis)
        self._groups: list[Group] = []
        self._losses = Losses()

    async def __aenter__(self) -> "RedisBus":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._redis.aclose()

    def consumer(self, stream: str, router: Router, facts_stream: str) -> StreamConsumer:
        settings = self._settings
        group = Group(self._redis, stream, settings.service)
        self._groups.append(group)
        processor = Processor(group, router, BatchTransaction(self._pool, router, facts_stream), settings)
        lease = consumer_lease(stream, settings.service)
        keeper = LeaseKeeper(self._pool, lease, settings.instance_name, settings.lease_ttl_seconds)
        return StreamConsumer(settings, group, processor, keeper)

    async def keep_house(self, command_streams: Sequence[str], facts_stream: str) -> None:
        retention, owner = self._settings.stream_retention_seconds, self._settings.service
        for stream in (*command_streams, facts_stream):
            await self._losses.look(self._redis, stream)
        for stream in command_streams:
            await trim(self._redis, stream, retention_seconds=retention, owner=owner)
        await trim(self._redis, facts_stream, retention_seconds=retention, owner=None)
        for group in self._groups:
            # Includes other services' facts: the group that couldn't handle an entry writes its dead letter.
            await trim(self._redis, dead_stream(group.stream), retention_seconds=retention, owner=None)
            await group.remove_idle_consumers(IDLE_CONSUMER_SECONDS)
