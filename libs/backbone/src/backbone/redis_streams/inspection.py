"""Progress of consumer groups: on a whole stream, and on one entry."""

from dataclasses import dataclass
from typing import Any, Literal

from redis.asyncio import Redis

from backbone.redis_streams.entry_ids import order, text

MAX_LAG = 10_000
"""Maximum entries that are counted one by one when the server doesn't know a group's lag."""


@dataclass(slots=True, frozen=True)
class GroupState:
    """A consumer group. ``lag`` counts unread entries; ``None`` if there are more than :data:`MAX_LAG`.

    ``oldest_idle`` is the time in seconds since the oldest pending entry was last delivered.
    ``last_consumer`` is the one that asked last, ``last_asked`` seconds ago; both are ``None`` if the group
    has no consumer.
    """

    name: str
    lag: int | None
    pending: int
    oldest_pending: str | None
    oldest_idle: float | None
    consumers: int
    last_delivered: str
    last_consumer: str | None
    last_asked: float | None


@dataclass(slots=True, frozen=True)
class StreamState:
    """The current state of a stream. ``first`` and ``last`` are entry ids."""

    name: str
    length: int
    first: str | None
    last: str | None
    groups: list[GroupState]


@dataclass(slots=True, frozen=True)
class Delivery:
    """A consumer group's progress on one entry. The last three fields are set for a pending entry."""

    stream: str
    entry_id: str
    group: str
    state: Literal["unread", "pending", "acknowledged"]
    consumer: str | None = None
    times_delivered: int | None = None
    idle_seconds: float | None = None


async def inspect_stream(redis: Redis, stream: str) -> StreamState:
    """Inspect a stream that exists, and its groups."""
    info: Any = await redis.xinfo_stream(stream)
    first, last = (text(entry[0]) if (entry := info[key]) else None for key in ("first-entry", "last-entry"))
    groups: Any = await redis.xinfo_groups(stream)
    states = [await _inspect_group(redis, stream, group) for group in groups]
    return StreamState(stream, info["length"], first, last, states)


async def _inspect_group(redis: Redis, stream: str, info: dict[str, Any]) -> GroupState:
    name, last_delivered = text(info["name"]), text(info["last-delivered-id"])
    pending: Any = await redis.xpending_range(stream, name, min="-", max="+", count=1)
    oldest = pending[0] if pending else None
    consumers: Any = await redis.xinfo_consumers(stream, name)
    latest = min(consumers, key=lambda consumer: consumer["idle"], default=None)
    lag = info["lag"]
    return GroupState(
        name=name,
        lag=lag if lag is not None else await _count_after(redis, stream, last_delivered),
        pending=info["pending"],
        oldest_pending=text(oldest["message_id"]) if oldest else None,
        oldest_idle=oldest["time_since_delivered"] / 1000 if oldest else None,
        consumers=info["consumers"],
        last_delivered=last_delivered,
        last_consumer=text(latest["name"]) if latest else None,
        last_asked=latest["idle"] / 1000 if latest else None,
    )


async def _count_after(redis: Redis, stream: str, last: str) -> int | None:
    """Count unread entries: Redis loses a group's lag when entries after its position are deleted."""
    unread: Any = await redis.xrange(stream, min=f"({last}", count=MAX_LAG + 1)
    return len(unread) if len(unread) <= MAX_LAG else None


async def list_deliveries(redis: Redis, stream: str, entry_id: str) -> list[Delivery]:
    """Each group's progress on this entry."""
    groups: Any = await redis.xinfo_groups(stream)
    return [await _delivery(redis, stream, entry_id, group) for group in groups]


async def _delivery(redis: Redis, stream: str, entry_id: str, info: dict[str, Any]) -> Delivery:
    group = text(info["name"])
    rows: Any = await redis.xpending_range(stream, group, min=entry_id, max=entry_id, count=1)
    if not rows:
        read = order(entry_id) <= order(text(info["last-delivered-id"]))
        return Delivery(stream, entry_id, group, "acknowledged" if read else "unread")
    [row] = rows
    idle = row["time_since_delivered"] / 1000
    return Delivery(stream, entry_id, group, "pending", text(row["consumer"]), row["times_delivered"], idle)
