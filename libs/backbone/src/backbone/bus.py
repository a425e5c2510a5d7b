"""The event bus, as the backbone sees it: consumers and a publisher, on Redis Streams or on Kafka."""

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from backbone.handlers import Router
from backbone.publishing import Publisher
from common.postgres import Pool
from common.readiness import NotReady

if TYPE_CHECKING:
    from backbone.settings import BackboneSettings


class Consumer(Protocol):
    """Handles the entries of one stream for one group."""

    @property
    def status(self) -> str:
        """``active``, ``standby``, or ``starting``: it should be reading and isn't (yet, or any more)."""

    @property
    def trouble(self) -> str | None:
        """Why it makes no progress, if it doesn't: its own error, or a dependency that is down."""

    async def run(self) -> None:
        """Consume until cancelled."""


class Bus(Protocol):
    """A broker. Async context manager; open inside the block."""

    @property
    def publisher(self) -> Publisher: ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def consumer(self, stream: str, router: Router, facts_stream: str) -> Consumer:
        """A consumer of ``stream``, for the group named after the service."""

    async def keep_house(self, command_streams: Sequence[str], facts_stream: str) -> None:
        """Trim and measure a service's own streams and dead letters, if the broker doesn't."""


def is_kafka(url: str) -> bool:
    """Whether ``EVENT_BUS_URL`` names Kafka."""
    return url.startswith(("kafka:", "kafkas:"))


def check_address(url: str) -> None:
    """Raise ``ValueError`` for an invalid ``EVENT_BUS_URL``."""
    if url.startswith("kafka"):
        from backbone.kafka.address import KafkaAddress

        KafkaAddress.parse(url)


def open_bus(settings: "BackboneSettings", pool: Pool) -> Bus:
    """The bus that the scheme of ``EVENT_BUS_URL`` names. Each bus is imported only when it is used."""
    if is_kafka(settings.event_bus_url):
        from backbone.kafka.kafka_bus import KafkaBus

        return KafkaBus(settings, pool)
    from backbone.redis_streams.redis_bus import RedisBus

    return RedisBus(settings, pool)


def check_reading(consumer: Consumer, stream: str) -> str:
    """A consumer's status, for ``/ready``. Raises :class:`NotReady`."""
    if consumer.trouble is not None:
        raise NotReady(f"the consumer of {stream} makes no progress: {consumer.trouble}"[:500])
    if consumer.status == "starting":
        raise NotReady(f"the consumer of {stream} isn't reading")
    return consumer.status
