"""Reads what a stream gets from now on, beside all consumer groups: nothing is taken from a consumer."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from backbone.bus import is_kafka
from backbone.events import RawEntry

READ_ENTRIES = 500
WAIT_MILLISECONDS = 1_000


class Tail(Protocol):
    """Async context manager, for one reader. Redis: :class:`backbone.redis_streams.tail.StreamTail`; Kafka:
    :class:`backbone.kafka.tail.TopicTail`. Errors are those of the bus, transient ones while it is away."""

    async def begin(self, most: int) -> Any:
        """Go back by about ``most`` entries. Returns the end of the stream, as :meth:`end` does."""

    async def read(self) -> Sequence[RawEntry]:
        """The next entries in order, up to :data:`READ_ENTRIES`; none if none came for a second."""

    async def end(self) -> Any:
        """Where the stream ends now, for :meth:`has_read`."""

    def has_read(self, end: Any) -> bool:
        """Whether all entries before that end were read."""


def open_tail(event_bus_url: str, stream: str) -> AbstractAsyncContextManager[Tail]:
    """A reader of ``stream`` on the bus that this URL names."""
    if is_kafka(event_bus_url):
        from backbone.kafka.tail import TopicTail

        return TopicTail(event_bus_url, stream)
    from backbone.redis_streams.tail import StreamTail

    return StreamTail(event_bus_url, stream)
