"""Entries of Redis streams, read and deleted beside all groups."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from backbone.entry_store import PAGE_BYTES, PAGE_ENTRIES, Page
from backbone.events import RawEntry
from backbone.redis_streams.entry_ids import text
from backbone.redis_streams.reading import exists, last_id
from backbone.window import Window
from common.redis_clients import open_redis


class StreamEntries:
    """An :class:`backbone.entry_store.EntryStore`. A shelf is a stream, a place is an entry's id."""

    def __init__(self, url: str) -> None:
        self._redis = open_redis(url)
        self._window = Window(PAGE_ENTRIES, PAGE_BYTES)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._redis.aclose()

    async def list_shelves(self, streams: Sequence[str]) -> list[str]:
        return [stream for stream in streams if await exists(self._redis, stream)]

    async def get_end(self, shelf: str) -> str:
        return await last_id(self._redis, shelf)

    async def read(self, shelf: str, after: str | None, through: str) -> Page:
        first, count = "-" if after is None else f"({after}", self._window.count
        rows: Any = await self._redis.xrange(shelf, min=first, max=through, count=count)
        entries = [(text(entry_id), fields) for entry_id, fields in rows]
        if entries:
            self._window.saw(entries)
        return Page(entries, entries[-1][0] if len(entries) == count else None)

    def mark_of(self, entry: RawEntry) -> str | None:
        return entry[0]

    async def erase(self, shelf: str, marks: Sequence[str]) -> None:
        """Delete entries, and take them from the consumers that haven't acknowledged them: a group would keep
        the id of a deleted entry for ever, and read it as one without fields."""
        if not await exists(self._redis, shelf):
            return
        groups: Any = await self._redis.xinfo_groups(shelf)
        pipeline = self._redis.pipeline(transaction=True)
        for group in groups:
            pipeline.xack(shelf, text(group["name"]), *marks)
        pipeline.xdel(shelf, *marks)
        await pipeline.execute()
