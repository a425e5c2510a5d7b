"""How long consumer groups have been silent: since when there was something to read and nobody asked.

Redis knows when each consumer last asked. It doesn't know when a group was created, or since when there is
something to read for a group that had read everything. Both are noted beside the stream, in the hash
``<stream>:silence``, so that restarts of a service don't change them. Times are by Redis's clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from redis.asyncio import Redis

from backbone.redis_streams.entry_ids import text


@dataclass(slots=True, frozen=True)
class Need:
    """The oldest entry that a group still needs (``None``: none).

    ``position`` is where the group is: it changes whenever somebody reads, acknowledges or moves the group.
    ``idle_seconds`` is the time since any consumer of the group last asked; ``None`` if it has no consumer.
    """

    group: str
    oldest: str | None
    position: str = ""
    idle_seconds: float | None = None


@dataclass(slots=True, frozen=True)
class Silence:
    """A group's silence. ``announced`` is when its alert began, and ``now`` the time of this observation."""

    position: str
    since: float
    announced: float | None
    now: float

    @property
    def seconds(self) -> float:
        return self.now - self.since

    @property
    def announced_seconds(self) -> float:
        """Time since the alert began; 0 if it hasn't."""
        return 0.0 if self.announced is None else self.now - self.announced

    @property
    def is_new(self) -> bool:
        """Whether the alert begins with this observation."""
        return self.announced == self.now

    def encode(self) -> str:
        return f"{self.since:.3f} {self.announced or 0:.3f} {self.position}"

    @classmethod
    def decode(cls, noted: bytes | str | None, now: float) -> Self | None:
        if noted is None:
            return None
        since, announced, position = text(noted).split(" ", 2)
        return cls(position, float(since), float(announced) or None, now)


async def observe(
    redis: Redis, stream: str, needs: Sequence[Need], *, alert_seconds: float
) -> dict[str, Silence]:
    """The silence of each group that needs something. Its alert begins after ``alert_seconds``."""
    key = f"{stream}:silence"
    seconds, microseconds = await redis.time()
    now = seconds + microseconds / 1_000_000
    stored: Any = await redis.hgetall(key)
    noted = {text(group): value for group, value in stored.items()}
    found: dict[str, Silence] = {}
    for need in needs:
        if need.oldest is not None:
            before = Silence.decode(noted.get(need.group), now)
            found[need.group] = _silence(need, before, now, alert_seconds)
    if found:
        fields: Any = {group: silence.encode() for group, silence in found.items()}
        await redis.hset(key, mapping=fields)
    if over := noted.keys() - found.keys():
        await redis.hdel(key, *over)
    return found


async def forget(redis: Redis, stream: str, group: str | None = None) -> None:
    """Forget one group, or all groups, of a stream: whatever has the name later is new."""
    key = f"{stream}:silence"
    await (redis.delete(key) if group is None else redis.hdel(key, group))


def _silence(need: Need, before: Silence | None, now: float, alert_seconds: float) -> Silence:
    same = before is not None and before.position == need.position
    since = before.since if before is not None and same else now
    if need.idle_seconds is not None:
        since = max(since, now - need.idle_seconds)
    announced = before.announced if before is not None and same else None
    if announced is not None and announced < since:
        announced = None  # somebody has asked since
    if announced is None and now - since > alert_seconds:
        announced = now
    return Silence(need.position, since, announced, now)
