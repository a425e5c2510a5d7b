"""The entries that streams hold, read from their beginning and erased one by one, beside all consumers."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from backbone.bus import is_kafka
from backbone.events import RawEntry

PAGE_ENTRIES = 500
PAGE_BYTES = 4_000_000
"""A page has at most so many entries. After a large one the next is smaller."""


@dataclass(slots=True, frozen=True)
class Page:
    """Entries in order. Continue after ``after``; ``None``: they were the last ones."""

    entries: Sequence[RawEntry]
    after: str | None


class EntryStore(Protocol):
    """Async context manager. Redis: :class:`backbone.redis_streams.entries.StreamEntries`; Kafka:
    :class:`backbone.kafka.entries.TopicEntries`.

    A *shelf* is what is read in one order: a stream, or a partition of a topic. A *place* is a position on a
    shelf.
    """

    async def list_shelves(self, streams: Sequence[str]) -> list[str]:
        """The shelves of those streams that exist, in the order of the streams."""

    async def get_end(self, shelf: str) -> str:
        """The place of the last entry that the shelf has had so far."""

    async def read(self, shelf: str, after: str | None, through: str) -> Page:
        """Entries after one place, up to and with another."""

    def mark_of(self, entry: RawEntry) -> str | None:
        """What :meth:`erase` needs to know of an entry; ``None`` if it can't be erased by itself."""

    async def erase(self, shelf: str, marks: Sequence[str]) -> None:
        """Erase entries. Again has no further effect."""


def stream_of(shelf: str) -> str:
    """The stream that a shelf belongs to."""
    return shelf.partition("/")[0]


def open_entries(event_bus_url: str) -> AbstractAsyncContextManager[EntryStore]:
    """The entries on the bus that this URL names."""
    if is_kafka(event_bus_url):
        from backbone.kafka.entries import TopicEntries

        return TopicEntries(event_bus_url)
    from backbone.redis_streams.entries import StreamEntries

    return StreamEntries(event_bus_url)
