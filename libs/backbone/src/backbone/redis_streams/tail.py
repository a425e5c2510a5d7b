"""The end of a Redis stream, read with ``XREAD``."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from backbone.events import RawEntry
from backbone.redis_streams.entry_ids import order, text
from backbone.redis_streams.reading import last_id, read_after
from backbone.tail import READ_ENTRIES, WAIT_MILLISECONDS
from common.redis_clients import open_redis

_IDS_AT_ONCE = 500


class StreamTail:
    """A :class:`backbone.tail.Tail`. An end is the id of an entry."""

    def __init__(self, url: str, stream: str) -> None:
        self._redis = open_redis(url)
        self._stream = stream
        self._after = self._known = self._passed = "0-0"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._redis.aclose()

    async def begin(self, most: int) -> str:
        end = self._after = await self.end()
        left, last = most, end
        while left > 0:
            rows: Any = await self._redis.xrevrange(self._stream, max=last, count=min(left, _IDS_AT_ONCE))
            if not rows:
                break
            self._after = text(rows[-1][0])
            left, last = left - len(rows), f"({self._after}"
        else:
            return end
        self._after = "0-0"
        return end

    async def read(self) -> Sequence[RawEntry]:
        known = self._known
        answer = await read_after(
            self._redis,
            {self._stream: self._after},
            count=READ_ENTRIES,
            block_milliseconds=WAIT_MILLISECONDS,
        )
        entries = [entry for _, entries in answer for entry in entries]
        if entries:
            self._after = entries[-1][0]
        else:
            self._passed = known  # whatever was there up to it was trimmed or erased
        return entries

    async def end(self) -> str:
        self._known = await last_id(self._redis, self._stream)
        return self._known

    def has_read(self, end: Any) -> bool:
        return order(end) <= max(order(self._after), order(self._passed))
