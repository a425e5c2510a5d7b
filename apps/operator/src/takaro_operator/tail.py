"""Reading several streams as one, from a point on, and following them."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Sequence

from redis import exceptions
from redis.asyncio import Redis

from backbone.events import RawEntry
from backbone.redis_streams.entry_ids import order
from backbone.redis_streams.reading import last_id, pages, read_after
from common import backoff
from takaro_operator.entries import Entry
from takaro_operator.output import say

BLOCK_MILLISECONDS = 1_000
"""How long one read waits: well below the client's socket timeout of 5 s."""

AWAY = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError)


class Tail:
    """Yields each entry once. ``cursors`` holds the id of the last entry that was yielded of each stream."""

    def __init__(self, redis: Redis, streams: Sequence[str]) -> None:
        self._redis = redis
        self.cursors = dict.fromkeys(streams, "0-0")

    async def seek_end(self) -> None:
        """Start after what the streams hold now."""
        for stream in self.cursors:
            self.cursors[stream] = await last_id(self._redis, stream)

    def seek(self, entry_id: str) -> None:
        """Start with the first entry after ``entry_id``."""
        self.cursors = dict.fromkeys(self.cursors, entry_id)

    async def past(self) -> AsyncIterator[Entry]:
        """What the streams hold now after the cursors, in the order of the entry ids across streams."""
        sources = {}
        heap: list[tuple[tuple[int, int], str, RawEntry]] = []
        for stream, cursor in self.cursors.items():
            end = await last_id(self._redis, stream)
            sources[stream] = self._range(stream, cursor, end)
        for stream, source in sources.items():
            if (raw := await anext(source, None)) is not None:
                heapq.heappush(heap, (order(raw[0]), stream, raw))
        while heap:
            _, stream, raw = heapq.heappop(heap)
            self.cursors[stream] = raw[0]
            yield Entry.read(stream, raw)
            if (following := await anext(sources[stream], None)) is not None:
                heapq.heappush(heap, (order(following[0]), stream, following))

    async def _range(self, stream: str, after: str, last: str) -> AsyncIterator[RawEntry]:
        async for page in pages(self._redis, stream, f"({after}", last):
            for raw in page:
                yield raw

    async def following(self) -> AsyncIterator[Entry]:
        """Everything after the cursors, until cancelled. While Redis is down it waits, then continues
        there."""
        failures = 0
        while True:
            try:
                found = await read_after(
                    self._redis, self.cursors, count=100, block_milliseconds=BLOCK_MILLISECONDS
                )
            except AWAY as error:
                failures += 1
                if failures == 1:
                    say(f"Redis is down ({error}): waiting for it")
                await asyncio.sleep(backoff.pause(failures, first=0.2, longest=3))
                continue
            if failures:
                say("Redis is back")
                failures = 0
            for stream, page in found:
                for raw in page:
                    self.cursors[stream] = raw[0]
                    yield Entry.read(stream, raw)
