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
    """One stream's entries, handled for one group."""

    @property
    def status(self) -> str:
        """``active``, ``standby``, or ``starting``: it should read and doesn't (yet, or any more)."""

    @property
    def trouble(self) -> str | None:
        """What keeps it from getting on, if anything does: an error of its own, a dependency that is away."""

    async def run(self) -> None:
        """Consume for ever, until cancelled."""


class Bus(Protocol):
    """A broker: async context manager, open inside."""

    @property
    def publisher(self) -> Publisher: ...

    async def __aenter__(self) -> object: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def consumer(self, stream: str, router: Router, facts_stream: str) -> Consumer:
        """A consumer of ``stream`` for the group that is named after the service."""

    async def keep_house(self, command_streams: Sequence[str], facts_stream: str) -> None:
        """Trim and measure a service's own streams and its dead letters, where the broker doesn't."""


def is_kafka(url: str) -> bool:
    """Whether ``EVENT_BUS_URL`` names Kafka."""
    return url.startswith(("kafka:", "kafkas:"))


def check_address(url: str) -> None:
    """Raise ``ValueError`` for an ``EVENT_BUS_URL`` that can't be right."""
    if url.startswith("kafka"):
        from backbone.kafka.address import KafkaAddress

        KafkaAddress.parse(url)


def open_bus(settings: "BackboneSettings", pool: Pool) -> Bus:
    """The bus that ``EVENT_BUS_URL`` names by its scheme. Each is imported only where it is used."""
    if is_kafka(settings.event_bus_url):
        from backbone.kafka.kafka_bus import KafkaBus

        return KafkaBus(settings, pool)
    from backbone.redis_streams.redis_bus import RedisBus

    return RedisBus(settings, pool)


def check_reading(consumer: Consumer, stream: str) -> str:
    """A consumer's status, for ``/ready``. Raises :class:`NotReady`."""
    if consumer.trouble is not None:
        raise NotReady(f"the consumer of {stream} can't get on: {consumer.trouble}"[:500])
    if consumer.status == "starting":
        raise NotReady(f"the consumer of {stream} isn't reading")
    return consumer.status
