"""Reads streams without a consumer group, so nothing is taken from a consumer."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from redis import exceptions
from redis.asyncio import Redis

from backbone.dead_letters import DEAD, dead_stream
from backbone.events import RawEntry
from backbone.redis_streams.entry_ids import text


async def discover(redis: Redis, known: Sequence[str]) -> list[str]:
    """The event streams that exist: ``known`` ones first, each followed by its dead letters.

    Streams with a colon in their name belong to other programs (BullMQ's ``bull:<queue>:events``). A Redis
    user that may not SCAN finds only ``known`` streams and their dead letters.
    """
    found = set()
    try:
        async for key in redis.scan_iter(count=1_000, _type="stream"):
            name = text(key)
            if ":" not in name:
                found.add(name)
    except exceptions.NoPermissionError:
        for name in [name for home in known for name in (home, dead_stream(home))]:
            if await exists(redis, name):
                found.add(name)
    ranks = {stream: rank for rank, stream in enumerate(known)}

    def rank(name: str) -> tuple[int, str, bool]:
        home = name.removesuffix(DEAD)
        return ranks.get(home, len(known)), home, name.endswith(DEAD)

    return sorted(found, key=rank)


async def exists(redis: Redis, stream: str) -> bool:
    return bool(await redis.exists(stream))


async def count_entries(redis: Redis, stream: str) -> int:
    length: int = await redis.xlen(stream)
    return length


async def last_id(redis: Redis, stream: str) -> str:
    """The last id that the stream has assigned; ``0-0`` if there is no such stream."""
    try:
        info: Any = await redis.xinfo_stream(stream)
    except exceptions.ResponseError as error:
        if "no such key" not in str(error):
            raise
        return "0-0"
    return text(info["last-generated-id"])


async def pages(
    redis: Redis,
    stream: str,
    first: str = "-",
    last: str = "+",
    *,
    size: int = 200,
    newest_first: bool = False,
) -> AsyncIterator[Sequence[RawEntry]]:
    """Entries from ``first`` to ``last`` (bounds in XRANGE's syntax), up to ``size`` at a time."""
    while True:
        rows: Any
        if newest_first:
            rows = await redis.xrevrange(stream, max=last, min=first, count=size)
        else:
            rows = await redis.xrange(stream, min=first, max=last, count=size)
        if not rows:
            return
        yield [(text(entry_id), fields) for entry_id, fields in rows]
        edge = f"({text(rows[-1][0])}"
        first, last = (first, edge) if newest_first else (edge, last)


async def read_after(
    redis: Redis, cursors: Mapping[str, str], *, count: int, block_milliseconds: int
) -> list[tuple[str, list[RawEntry]]]:
    """Up to ``count`` entries of each stream after its cursor. Waits for the first, at most for the block
    time."""
    streams: Any = cursors
    answer: Any = await redis.xread(streams, count=count, block=block_milliseconds)
    return [
        (text(stream), [(text(entry_id), fields) for entry_id, fields in rows]) for stream, rows in answer
    ]
