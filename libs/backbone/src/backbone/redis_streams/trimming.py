"""Trimming: a stream keeps what any group still needs, and everything younger than its retention.

It trims by ``MINID``, below the oldest entry that a group has not acknowledged; ``MAXLEN`` would ignore
pending entries. On a stream of facts, a group that was silent for the whole retention is deleted. An alert
precedes this for the second half of that time. A command stream keeps everything its owner hasn't
acknowledged, however long that takes, and everything while the owner has no group there (it was lost, or not
yet created).
"""

import time
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Gauge
from redis.asyncio import Redis

from backbone.lag import LAG, PENDING
from backbone.redis_streams.entry_ids import age_of, order, text

log = structlog.get_logger()

SILENT = Gauge("takaro_stream_group_silent_seconds", "Time since a lagging group read", ["stream", "group"])
LENGTH = Gauge("takaro_stream_length", "Entries in the stream", ["stream"])


@dataclass(slots=True, frozen=True)
class Need:
    """The oldest entry that a group still needs (``None``: none), and the time since which it is silent."""

    group: str
    oldest: str | None
    silent_seconds: float


async def trim(redis: Redis, stream: str, *, retention_seconds: float, owner: str | None) -> int:
    """Remove what no group needs and the retention doesn't keep. Returns the number of entries.

    ``owner`` is the group that a command stream is for. On other streams (``None``), groups that are silent
    for longer than the retention are deleted.
    """
    if not await redis.exists(stream):
        return 0
    groups: Any = await redis.xinfo_groups(stream)
    horizon = f"{int((time.time() - retention_seconds) * 1000)}-0"
    limits = [horizon]
    LENGTH.labels(stream).set(await redis.xlen(stream))
    if owner is not None and owner not in (text(info["name"]) for info in groups):
        return 0
    for info in groups:
        need = await _need(redis, stream, info)
        SILENT.labels(stream, need.group).set(need.silent_seconds if need.oldest else 0)
        LAG.labels(stream, need.group).set(info["lag"] or 0)
        PENDING.labels(stream, need.group).set(info["pending"])
        if need.oldest is None:
            continue
        if owner is None and need.silent_seconds > retention_seconds:
            log.error("silent group dropped", stream=stream, group=need.group, silent=need.silent_seconds)
            await redis.xgroup_destroy(stream, need.group)
            continue
        if owner is None and need.silent_seconds > retention_seconds / 2:
            log.warning("group is silent", stream=stream, group=need.group, silent=need.silent_seconds)
        limits.append(need.oldest)
    removed: int = await redis.xtrim(stream, minid=min(limits, key=order), approximate=True)
    return removed


async def _need(redis: Redis, stream: str, info: dict[str, Any]) -> Need:
    name: str = text(info["name"])
    oldest: str | None = None
    if info["pending"]:
        summary: Any = await redis.xpending(stream, name)
        oldest = text(summary["min"])
    last = text(info["last-delivered-id"])
    unread: Any = await redis.xrange(stream, min=f"({last}", count=1)
    if oldest is None and unread:
        oldest = text(unread[0][0])
    if oldest is None:
        # Everything is read and acknowledged: delivered entries may be removed, later ones are needed.
        return Need(name, None, 0.0)
    consumers: Any = await redis.xinfo_consumers(stream, name)
    idle = [row["idle"] / 1000 for row in consumers]
    silent = min(idle) if idle else max(0.0, age_of(oldest))
    return Need(name, oldest, silent)
