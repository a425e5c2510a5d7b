"""Kafka as the event bus: the group's assignment decides who reads; the broker does the housekeeping."""

from collections.abc import Sequence
from types import TracebackType

from backbone.handlers import Router
from backbone.kafka.address import KafkaAddress
from backbone.kafka.consumer import TopicConsumer
from backbone.kafka.producer import KafkaPublisher
from backbone.settings import BackboneSettings
from common.postgres import Pool
from common.redis_clients import open_redis


class KafkaBus:
    """One producer for facts and dead letters, and one consumer for each topic. Redis counts handler
    failures."""

    def __init__(self, settings: BackboneSettings, pool: Pool) -> None:
        self._settings, self._pool = settings, pool
        self._address = KafkaAddress.parse(settings.event_bus_url)
        self._redis = open_redis(settings.redis_url)
        self.publisher = KafkaPublisher(self._address)

    async def __aenter__(self) -> "KafkaBus":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.publisher.stop()
        await self._redis.aclose()

    def consumer(self, stream: str, router: Router, facts_stream: str) -> TopicConsumer:
        return TopicConsumer(
            self._settings,
            self._address,
            stream,
            router,
            facts_stream,
            pool=self._pool,
            redis=self._redis,
            publisher=self.publisher,
        )

    async def keep_house(self, command_streams: Sequence[str], facts_stream: str) -> None:
        """Does nothing: operators set a topic's retention, and consumers measure their own lag."""
