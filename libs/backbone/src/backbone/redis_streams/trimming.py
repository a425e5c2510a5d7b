"""Trimming: a stream keeps what any group still needs, and everything younger than its retention.

It trims by ``MINID``, below the oldest entry that a group has not acknowledged; ``MAXLEN`` would ignore
pending entries. On a stream of facts, a group that was silent for the whole retention is deleted: there was
something to read and nobody asked. Its alert begins after half of that time, and lasts for the other half
before the group goes. A command stream keeps everything its owner hasn't acknowledged, however long that
takes, and everything while the owner has no group there (it was lost, or not yet created).
"""

import time
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import structlog
from prometheus_client import Gauge
from redis.asyncio import Redis

from backbone.lag import LAG, PENDING
from backbone.redis_streams import silence
from backbone.redis_streams.entry_ids import order, text
from backbone.redis_streams.silence import Need, Silence

log = structlog.get_logger()

SILENT = Gauge(
    "takaro_stream_group_silent_seconds",
    "Time since a group had something to read and nobody asked",
    ["stream", "group"],
)
REMOVED_IN = Gauge(
    "takaro_stream_group_removed_in_seconds",
    "Time until a silent group is deleted; only while its alert lasts",
    ["stream", "group"],
)
LENGTH = Gauge("takaro_stream_length", "Entries in the stream", ["stream"])

_reported: dict[str, set[str]] = defaultdict(set)
"""The groups of each stream that have series, so that those of a deleted group end."""


async def trim(redis: Redis, stream: str, *, retention_seconds: float, owner: str | None) -> int:
    """Remove what no group needs and the retention doesn't keep. Returns the number of entries.

    ``owner`` is the group that a command stream is for. On other streams (``None``), groups that are silent
    for longer than the retention are deleted.
    """
    if not await redis.exists(stream):
        await silence.forget(redis, stream)
        _end_series(stream, keep=())
        return 0
    groups: Any = await redis.xinfo_groups(stream)
    names = [text(info["name"]) for info in groups]
    limits = [f"{int((time.time() - retention_seconds) * 1000)}-0"]
    length = await redis.xlen(stream)
    LENGTH.labels(stream).set(length)
    _end_series(stream, keep=names)
    if owner is not None and owner not in names:
        return 0
    needs = [await _need(redis, stream, info) for info in groups]
    silences = await silence.observe(redis, stream, needs, alert_seconds=retention_seconds / 2)
    for info, need in zip(groups, needs, strict=True):
        quiet = silences.get(need.group)
        _report(stream, need.group, info, quiet, length)
        if need.oldest is None or quiet is None:
            continue
        if owner is None and await _is_dropped(redis, stream, need.group, quiet, retention_seconds):
            continue
        limits.append(need.oldest)
    removed: int = await redis.xtrim(stream, minid=min(limits, key=order), approximate=True)
    return removed


async def _is_dropped(
    redis: Redis, stream: str, group: str, quiet: Silence, retention_seconds: float
) -> bool:
    """Delete a group that was silent for the retention, once its alert has lasted for half of that."""
    if quiet.announced is None:
        return False
    left = max(retention_seconds - quiet.seconds, retention_seconds / 2 - quiet.announced_seconds)
    if left >= 0:
        REMOVED_IN.labels(stream, group).set(left)
        if quiet.is_new:
            log.warning(
                "group is silent and will be deleted",
                stream=stream,
                group=group,
                silent_seconds=round(quiet.seconds),
                deleted_in_seconds=round(left),
                what_to_do="start its consumer, or XGROUP DESTROY the group if nobody uses it",
            )
        return False
    log.error("silent group deleted", stream=stream, group=group, silent_seconds=round(quiet.seconds))
    await redis.xgroup_destroy(stream, group)
    await silence.forget(redis, stream, group)
    _end_series(stream, keep=_reported[stream] - {group})
    return True


def _report(stream: str, group: str, info: dict[str, Any], quiet: Silence | None, length: int) -> None:
    """While entries were deleted that a group hasn't read, Redis doesn't know its lag: it counts as that of
    the whole stream, and not as none."""
    _reported[stream].add(group)
    SILENT.labels(stream, group).set(quiet.seconds if quiet else 0)
    LAG.labels(stream, group).set(length if info["lag"] is None else info["lag"])
    PENDING.labels(stream, group).set(info["pending"])
    if quiet is None or quiet.announced is None:
        REMOVED_IN.remove(stream, group)


def _end_series(stream: str, keep: Collection[str]) -> None:
    """A group that no longer exists is neither silent nor behind."""
    for group in _reported[stream] - set(keep):
        for gauge in (SILENT, REMOVED_IN, LAG, PENDING):
            gauge.remove(stream, group)
        _reported[stream].discard(group)


async def _need(redis: Redis, stream: str, info: dict[str, Any]) -> Need:
    name: str = text(info["name"])
    oldest: str | None = None
    if info["pending"]:
        summary: Any = await redis.xpending(stream, name)
        oldest = text(summary["min"]) if summary["min"] is not None else None
    last = text(info["last-delivered-id"])
    position = f"{last} {info['pending']} {oldest}"
    if oldest is None:
        unread: Any = await redis.xrange(stream, min=f"({last}", count=1)
        if not unread:
            # Everything is read and acknowledged: delivered entries may be removed, later ones are needed.
            return Need(name, None)
        oldest = text(unread[0][0])
    consumers: Any = await redis.xinfo_consumers(stream, name)
    idle = [row["idle"] / 1000 for row in consumers]
    return Need(name, oldest, position, min(idle) if idle else None)
