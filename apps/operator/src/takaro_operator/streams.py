"""``takaro streams``: how long streams are, who reads them, and how far behind the readers are."""

from typing import Any

from rich.text import Text

from backbone.lease_holders import Holder, list_leases
from backbone.names import CONSUMER_LEASES, consumer_lease
from backbone.redis_streams.entry_ids import age_of
from backbone.redis_streams.inspection import MAX_LAG, GroupState, StreamState, inspect_stream
from backbone.redis_streams.reading import discover
from takaro_operator.connections import open_database, open_streams
from takaro_operator.entries import KNOWN_STREAMS
from takaro_operator.errors import Failure
from takaro_operator.output import Json, age, make_table, owner_of, print_json, printable, say, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

SERVICES = ("chat", "knowledge", "cockpit")
"""The groups of our services, named after them."""

HEADINGS = ("stream", "length", "first", "last", "group", "lag", "pending", "oldest idle", "active consumer")


def streams(as_json: Json = False) -> None:
    """Show each stream's length and age, and its groups: lag, pending entries, active consumer.

    The active consumer of our services is the instance that holds the stream's lease; of other groups it is
    the consumer that asked last, and when. --json prints one document.
    """

    async def work(settings: OperatorSettings) -> None:
        async with open_streams(settings) as redis:
            states = [await inspect_stream(redis, stream) for stream in await discover(redis, KNOWN_STREAMS)]
        holders = await _holders(settings)
        if as_json:
            shown = [_to_json(state, holders or {}) for state in states]
            print_json({"leasesKnown": holders is not None, "streams": shown})
        else:
            _print(states, holders)

    run(work)


async def _holders(settings: OperatorSettings) -> dict[str, Holder] | None:
    """Lease holders. ``None``, with a warning, without Postgres: what Redis reports is shown all the same."""
    try:
        async with open_database(settings) as connection:
            return await list_leases(connection, CONSUMER_LEASES)
    except Failure as error:
        say(f"active consumers are unknown: {error}")
        return None


def _to_json(state: StreamState, holders: dict[str, Holder]) -> dict[str, Any]:
    return {
        "stream": state.name,
        "length": state.length,
        "firstEntryId": state.first,
        "firstAgeSeconds": age_of(state.first) if state.first else None,
        "lastEntryId": state.last,
        "lastAgeSeconds": age_of(state.last) if state.last else None,
        "groups": [
            {
                "group": group.name,
                "lag": group.lag,
                "pending": group.pending,
                "oldestPendingId": group.oldest_pending,
                "oldestPendingIdleSeconds": group.oldest_idle,
                "consumers": group.consumers,
                "lastDeliveredId": group.last_delivered,
                "lastConsumer": group.last_consumer,
                "lastConsumerAskedSecondsAgo": group.last_asked,
                "activeConsumer": _active(holders.get(consumer_lease(state.name, group.name))),
            }
            for group in state.groups
        ],
    }


def _active(holder: Holder | None) -> str | None:
    return holder.owner if holder and holder.valid else None


def _print(states: list[StreamState], holders: dict[str, Holder] | None) -> None:
    if not states:
        say("there are no streams yet: the first event or the first consumer creates one")
        return
    table = make_table("Streams", *HEADINGS)
    for state in states:
        ages = [f"{age(age_of(edge))} ago" if edge else "" for edge in (state.first, state.last)]
        head = [Text(printable(state.name)), Text(str(state.length)), *map(Text, ages)]
        if not state.groups:
            style = "red" if state.name.endswith(".dead") and state.length else ""
            table.add_row(*head, *[""] * 5, style=style)
        for group in state.groups:
            holder = (holders or {}).get(consumer_lease(state.name, group.name))
            table.add_row(
                *head,
                Text(printable(group.name)),
                _count(group.lag),
                _count(group.pending),
                age(group.oldest_idle),
                Text(printable(_reader(group, holder, known=holders is not None))),
            )
            head = [Text("")] * 4
    screen().print(table)


def _reader(group: GroupState, holder: Holder | None, *, known: bool) -> str:
    """Who reads a group. Only our services hold leases, so others' groups are known by who asks."""
    if holder is not None or group.name in SERVICES:
        return owner_of(holder) if known else "?"
    if group.last_consumer is None:
        return "no consumer yet"
    return f"{group.last_consumer} (asked {age(group.last_asked)} ago)"


def _count(count: int | None) -> Text:
    if count is None:
        return Text(f"over {MAX_LAG}", "yellow")
    return Text(str(count), "yellow" if count else "")
