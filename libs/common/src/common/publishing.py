"""Publishing: where the relay hands over facts, whatever the broker."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias

from redis.asyncio import Redis

EntryFields: TypeAlias = Mapping[str | bytes, str | bytes]
"""The flat fields of one event, as :func:`common.events.encode_entry` makes them."""


class Publisher(Protocol):
    """Appends events to a stream. Kafka: :class:`common.kafka.producer.KafkaPublisher`."""

    @property
    def system(self) -> str:
        """``messaging.system`` of OpenTelemetry."""

    async def publish(self, stream: str, entries: Sequence[EntryFields]) -> Sequence[str]:
        """Append ``entries`` in order for each subject; all of them are stored when this returns their ids.

        An error may leave some of them published: never one without those before it in its subject.
        """


class RedisPublisher:
    """One transaction a call: all entries or none.

    In a bare pipeline an entry that is refused (Redis is full) could be followed by one that isn't: a later
    fact would overtake an earlier one of its subject. A script would do too, at twice Redis's own CPU.
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
