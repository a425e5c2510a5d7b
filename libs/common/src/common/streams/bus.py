"""The event bus, as the backbone sees it: consumers and a publisher, on Redis Streams or on Kafka."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from common.handlers import Router
from common.health import NotReady
from common.postgres import Pool
from common.publishing import Publisher
from common.settings import ServiceSettings


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


def open_bus(settings: ServiceSettings, pool: Pool) -> Bus:
    """The bus that ``EVENT_BUS_URL`` names by its scheme. Each is imported only where it is used."""
    if settings.event_bus_url.startswith(("kafka:", "kafkas:")):
        from common.kafka.bus import KafkaBus

        return KafkaBus(settings, pool)
    from common.streams.redis_bus import RedisBus

    return RedisBus(settings, pool)


def check_reading(consumer: Consumer, stream: str) -> str:
    """A consumer's status, for ``/ready``. Raises :class:`NotReady`."""
    if consumer.trouble is not None:
        raise NotReady(f"the consumer of {stream} can't get on: {consumer.trouble}"[:500])
    if consumer.status == "starting":
        raise NotReady(f"the consumer of {stream} isn't reading")
    return consumer.status
