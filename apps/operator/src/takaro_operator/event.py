"""``takaro event``: one event's whole journey."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

import typer
from rich.text import Text

from backbone.redis_streams.entry_ids import moment_of
from backbone.redis_streams.inspection import Delivery
from takaro_operator import journey, search
from takaro_operator.connections import open_database, open_streams
from takaro_operator.entries import Entry
from takaro_operator.errors import Failure
from takaro_operator.journey import Journey
from takaro_operator.output import Json, age, preview, print_json, printable, say, screen
from takaro_operator.progress import progress_bar
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

MAX_FACTS = 50
"""How many facts, and how many commands about a subject, are shown to people; --json prints all."""


def event(
    event_id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="The event's id, the id of a stream entry that holds it, or the id of a conversation, "
            "session or knowledge base: then all events about it.",
        ),
    ],
    depth: Annotated[
        int, typer.Option(min=1, help="How many of each stream's newest entries are searched.")
    ] = 100_000,
    as_json: Json = False,
) -> None:
    """Follow one event, or those of a conversation: from its trace and outbox to deliveries and effects.

    --json prints one document.
    """

    async def work(settings: OperatorSettings) -> None:
        async with open_database(settings) as connection, open_streams(settings) as redis:
            with _progress(depth) as progress:
                found = await journey.follow(connection, redis, event_id, depth, progress)
        unsearched = [stream for stream, (_, whole) in found.found.searched.items() if not whole]
        hint = f"older entries of {', '.join(unsearched)} were not searched: --depth" if unsearched else ""
        if not found.known:
            raise Failure(
                f"nothing is known of {event_id}: it is not in outbox, streams, dead letters or inbox"
                + (f"; {hint}" if hint else "")
            )
        if as_json:
            print_json(found.to_json())
            return
        _print(found)
        if hint:
            say(hint)

    run(work)


@contextmanager
def _progress(depth: int) -> Iterator[search.Progress]:
    """A progress bar while streams are searched, if there is a terminal."""
    with progress_bar() as bar:
        task = bar.add_task("searching", total=depth)

        def report(stream: str, count: int) -> None:
            bar.update(task, description=printable(stream), completed=count)

        yield report


def _print(found: Journey) -> None:
    _section("event", [Text(printable(found.id))])
    _section("trace", [Text(printable(trace)) for trace in sorted(found.found.clues.traces)])
    _section(
        "outbox",
        [_dated(fact.time, f"{fact.stream} {fact.type} {fact.event_id} waits") for fact in found.waiting],
    )
    _section("stream", _delivered(found, search.in_order(found.found.entries)))
    commands = search.in_order(found.found.commands)
    if commands:
        more = [Text(f"and {len(commands) - MAX_FACTS} more (--json)")] if len(commands) > MAX_FACTS else []
        _section("commands", [*_delivered(found, commands[:MAX_FACTS]), *more])
    _section(
        "dead letter",
        [
            _dated(
                letter.died_at,
                f"{letter.dead_stream} {letter.entry_id} {letter.note('kind')}: {letter.note('reason')}",
                "red",
            )
            for letter in search.oldest_first(found.found.letters)
        ],
    )
    _section(
        "inbox",
        [
            _dated(
                outcome.handled_at,
                f"{outcome.outcome} by {outcome.consumer} as {outcome.key}",
                "red" if outcome.outcome == "rejected" else "green",
            )
            for outcome in found.outcomes
        ],
    )
    _section(
        "effects",
        [
            _dated(row["created_at"], effect.summary.format(**row))
            for effect, rows in found.effects.items()
            for row in rows
        ],
    )
    facts = search.in_order(found.found.facts)
    shown = [_entry_line(entry) for entry in facts[:MAX_FACTS]]
    if len(facts) > MAX_FACTS:
        shown.append(Text(f"and {len(facts) - MAX_FACTS} more (--json)"))
    _section("facts", shown)


def _delivered(found: Journey, entries: Sequence[Entry]) -> list[Text]:
    """Each entry, and below it how far each group is with it."""
    lines = []
    for entry in entries:
        lines.append(_entry_line(entry))
        here = [d for d in found.deliveries if (d.stream, d.entry_id) == (entry.stream, entry.entry_id)]
        lines += [_delivery_line(delivery) for delivery in here] or [Text("  no group reads it", "yellow")]
    return lines


def _section(name: str, lines: list[Text]) -> None:
    """A heading and its lines; ``none`` if there are no lines."""
    for i, line in enumerate(lines or [Text("none", "dim")]):
        screen().print(Text.assemble((f"{name if i == 0 else '':<13}", "bold"), line))


def _dated(moment: datetime, what: str, style: str = "") -> Text:
    return Text.assemble((f"{moment:%Y-%m-%d %H:%M:%S}Z ", "dim"), (printable(what), style))


def _entry_line(entry: Entry) -> Text:
    assert entry.event is not None
    number = f" #{entry.sequence}" if entry.sequence is not None else ""
    what = f"{entry.stream} {entry.entry_id} {entry.event.type} {entry.event.subject or ''}{number}"
    return _dated(moment_of(entry.entry_id), what).append(f" {preview(entry.event.data, 80)}", "dim")


def _delivery_line(delivery: Delivery) -> Text:
    if delivery.state == "pending":
        times = f"{delivery.times_delivered} time{'' if delivery.times_delivered == 1 else 's'}"
        what = f"pending, delivered {times}, {age(delivery.idle_seconds)} ago to {delivery.consumer}"
        return Text(f"  group {printable(delivery.group)}: {printable(what)}", "yellow")
    style = "green" if delivery.state == "acknowledged" else "yellow"
    return Text(f"  group {printable(delivery.group)}: {delivery.state}", style)
