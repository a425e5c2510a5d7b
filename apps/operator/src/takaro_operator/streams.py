"""``takaro streams``: how much there is, who reads it, and how far behind they are."""

from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from rich.text import Text

from takaro_operator.entries import age_of, discover, text
from takaro_operator.leases import Holder, list_leases, owner_of
from takaro_operator.output import Json, age, make_table, print_json, printable, say, screen
from takaro_operator.running import Failure, OperatorSettings, open_bus, open_database, run

MAX_LAG = 10_000
"""Entries counted one by one where the server doesn't know a group's lag."""


@dataclass(slots=True)
class GroupState:
    """A consumer group. ``lag`` is unread entries; idle times are seconds since the last delivery."""

    name: str
    lag: int | None
    pending: int
    oldest_pending: str | None
    oldest_idle: float | None
    consumers: int
    last_delivered: str


@dataclass(slots=True)
class StreamState:
    """A stream as it is now; ages in seconds."""

    name: str
    length: int
    first: str | None
    last: str | None
    groups: list[GroupState] = field(default_factory=list)

    def to_json(self, holders: dict[str, Holder] | None) -> dict[str, Any]:
        return {
            "stream": self.name,
            "length": self.length,
            "firstEntryId": self.first,
            "firstAgeSeconds": age_of(self.first) if self.first else None,
            "lastEntryId": self.last,
            "lastAgeSeconds": age_of(self.last) if self.last else None,
            "groups": [
                {
                    "group": group.name,
                    "lag": group.lag,
                    "pending": group.pending,
                    "oldestPendingId": group.oldest_pending,
                    "oldestPendingIdleSeconds": group.oldest_idle,
                    "consumers": group.consumers,
                    "lastDeliveredId": group.last_delivered,
                    "activeConsumer": _active(holders, self.name, group.name),
                }
                for group in self.groups
            ],
        }


def streams(as_json: Json = False) -> None:
    """Show each stream's length, groups, lag, pending entries, active consumer, and ages.

    The active consumer is the instance that holds the stream's lease; --json gives one document.
    """

    async def work(settings: OperatorSettings) -> None:
        async with open_bus(settings) as redis:
            states = [await inspect(redis, stream) for stream in await discover(redis)]
        holders = await _holders(settings)
        if as_json:
            print_json(
                {"leasesKnown": holders is not None, "streams": [state.to_json(holders) for state in states]}
            )
        else:
            _print(states, holders)

    run(work)


async def inspect(redis: Redis, stream: str) -> StreamState:
    """Look at one existing stream and its groups."""
    info: Any = await redis.xinfo_stream(stream)
    edges = [text(entry[0]) if (entry := info[key]) else None for key in ("first-entry", "last-entry")]
    state = StreamState(stream, info["length"], edges[0], edges[1])
    groups: Any = await redis.xinfo_groups(stream)
    for group in groups:
        name = text(group["name"])
        oldest: Any = await redis.xpending_range(stream, name, min="-", max="+", count=1)
        last = text(group["last-delivered-id"])
        state.groups.append(
            GroupState(
                name=name,
                lag=group["lag"] if group["lag"] is not None else await _count_after(redis, stream, last),
                pending=group["pending"],
                oldest_pending=text(oldest[0]["message_id"]) if oldest else None,
                oldest_idle=oldest[0]["time_since_delivered"] / 1000 if oldest else None,
                consumers=group["consumers"],
                last_delivered=last,
            )
        )
    return state


async def _count_after(redis: Redis, stream: str, last: str) -> int | None:
    """The lag, counted, after deletions made the server lose it; ``None`` beyond :data:`MAX_LAG`."""
    unread: Any = await redis.xrange(stream, min=f"({last}", count=MAX_LAG + 1)
    return len(unread) if len(unread) <= MAX_LAG else None


async def _holders(settings: OperatorSettings) -> dict[str, Holder] | None:
    """Lease holders; ``None``, with a remark, where Postgres can't be asked: Redis alone is worth a look."""
    try:
        async with open_database(settings) as connection:
            return await list_leases(connection, "consumer:")
    except Failure as error:
        say(f"active consumers are unknown: {error}")
        return None


def _active(holders: dict[str, Holder] | None, stream: str, group: str) -> str | None:
    holder = (holders or {}).get(f"consumer:{stream}:{group}")
    return holder.owner if holder and holder.valid else None


def _print(states: list[StreamState], holders: dict[str, Holder] | None) -> None:
    if not states:
        say("there are no streams yet: they appear with the first event or the first consumer")
        return
    table = make_table(
        "Streams",
        "stream",
        "length",
        "first",
        "last",
        "group",
        "lag",
        "pending",
        "oldest idle",
        "active consumer",
    )
    for state in states:
        ages = [f"{age(age_of(edge))} ago" if edge else "" for edge in (state.first, state.last)]
        head = [Text(printable(state.name)), Text(str(state.length)), *map(Text, ages)]
        if not state.groups:
            style = "red" if state.name.endswith(".dead") and state.length else ""
            table.add_row(*head, *[""] * 5, style=style)
        for group in state.groups:
            lease = (holders or {}).get(f"consumer:{state.name}:{group.name}")
            table.add_row(
                *head,
                Text(printable(group.name)),
                _count(group.lag),
                _count(group.pending),
                age(group.oldest_idle),
                Text(printable(owner_of(lease)) if holders is not None else "?"),
            )
            head = [Text("")] * 4
    screen().print(table)


def _count(count: int | None) -> Text:
    if count is None:
        return Text(f"over {MAX_LAG}", "yellow")
    return Text(str(count), "yellow" if count else "")
