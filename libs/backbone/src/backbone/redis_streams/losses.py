"""Notices that Redis lost entries of a stream: it was emptied, restored, or restarted without its last ones.

Followers see ``NOGROUP`` or a gap in ``sequence``; nobody else would be told. Redis assigns growing ids and
counts the entries that a stream ever had. So a stream that has a smaller last id, or fewer entries ever added
than before plus those that are new, isn't the one that was seen before.
"""

from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from backbone.redis_streams.entry_ids import order, text

log = structlog.get_logger()

LOSSES = Counter("takaro_stream_losses_total", "Times that Redis lost entries of a stream", ["stream"])

_NOTHING = "0-0"


@dataclass(slots=True, frozen=True)
class Extent:
    """What a stream had when it was seen: its last id, the number of entries ever added, and its groups."""

    last: str = _NOTHING
    added: int = 0
    groups: frozenset[str] = frozenset()


class Losses:
    """Remembers the streams that a process looks after, for as long as it runs."""

    def __init__(self) -> None:
        self._seen: dict[str, Extent] = {}

    async def look(self, redis: Redis, stream: str) -> bool:
        """Compare the stream with what it was. Logs and counts a loss; returns whether there was one."""
        LOSSES.labels(stream)  # a series of 0 from the start
        info, now = await _extent(redis, stream)
        before, self._seen[stream] = self._seen.get(stream, Extent()), now
        if not _is_less(before, now, info):
            return False
        LOSSES.labels(stream).inc()
        log.error(
            "stream was lost",
            stream=stream,
            last_entry_before=before.last,
            entries_added_before=before.added,
            last_entry=now.last,
            groups_gone=sorted(before.groups - now.groups),
            what_to_do="followers create their groups again and read the current state over HTTP: "
            "docs/events.md, When Redis lost everything",
        )
        return True


def _is_less(before: Extent, now: Extent, info: dict[str, Any]) -> bool:
    if before.last == _NOTHING:
        return False
    if order(now.last) < order(before.last) or now.added < before.added:
        return True
    first = info.get("first-entry")
    all_new = first is not None and order(text(first[0])) > order(before.last)
    return all_new and now.added < before.added + info["length"]


async def _extent(redis: Redis, stream: str) -> tuple[dict[str, Any], Extent]:
    try:
        info: Any = await redis.xinfo_stream(stream)
    except ResponseError as error:
        if "no such key" not in str(error):
            raise
        return {}, Extent()
    groups: Any = await redis.xinfo_groups(stream)
    names = frozenset(text(group["name"]) for group in groups)
    return info, Extent(text(info["last-generated-id"]), info.get("entries-added", 0), names)
