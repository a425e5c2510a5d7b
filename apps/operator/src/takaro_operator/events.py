"""``takaro events``: follow events, and publish them by hand."""

import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from pydantic import ValidationError
from rich.text import Text

from backbone.dead_letters import DEAD
from backbone.redis_streams.entry_ids import moment_of, order
from backbone.redis_streams.reading import discover
from backbone.validation import explain
from common import codec
from takaro_operator import sending
from takaro_operator.completion import complete_dead_stream, complete_stream, complete_type
from takaro_operator.connections import open_streams
from takaro_operator.entries import KNOWN_STREAMS, SUBJECT, Entry
from takaro_operator.errors import Failure, Refusal
from takaro_operator.output import Json, parse_moment, preview, print_json, printable, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings
from takaro_operator.tail import AWAY, Tail

app = typer.Typer(help="Follow events, and publish them by hand.", no_args_is_help=True, add_completion=False)

Wanted = Callable[[Entry], bool]


@app.command()
def tail(
    streams: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STREAM",
            help="Default: all streams except those of dead letters.",
            autocompletion=complete_dead_stream,
        ),
    ] = None,
    type_: Annotated[
        str,
        typer.Option(
            "--type",
            metavar="GLOB",
            help="Event types, such as 'chat.message.*'.",
            autocompletion=complete_type,
        ),
    ] = "*",
    subject: Annotated[str | None, typer.Option(help=SUBJECT)] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="ID|BEGINNING|TIME",
            help="An entry id, BEGINNING, how long ago (10m, 2h, 3d) or an ISO time. "
            "Default: now; with --no-follow, BEGINNING.",
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow/--no-follow", help="Wait for new events, or end after those that are there."),
    ] = True,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="End after this many events.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show events as they come, across streams; JSON lines with --json. Consumers still get all of them.

    Continues after a restart of Redis.
    """

    def wanted(entry: Entry) -> bool:
        if entry.event is None:
            return type_ == "*" and subject is None
        return fnmatchcase(entry.event.type, type_) and (subject is None or entry.is_about(subject))

    async def work(settings: OperatorSettings) -> None:
        since = start or ("NOW" if follow else "BEGINNING")
        shown = 0
        async for entry in _entries(settings, streams or [], since, follow=follow):
            if wanted(entry):
                _show(entry, as_json)
                shown += 1
                if shown == limit:
                    return
        if not follow and not shown:
            raise Failure("no event matches")

    run(work, until_interrupted=True)


async def _entries(
    settings: OperatorSettings, streams: list[str], since: str, *, follow: bool
) -> AsyncIterator[Entry]:
    after, earliest = _parse_start(since)
    async with open_streams(settings) as redis:
        if not streams:
            found = [name for name in await discover(redis, KNOWN_STREAMS) if not name.endswith(DEAD)]
            streams = list(dict.fromkeys([*KNOWN_STREAMS, *found]))
        reader = Tail(redis, streams)
        if after is None:
            await reader.seek_end()
        else:
            reader.seek(after)
        try:
            async for entry in reader.past():
                yield entry
        except AWAY:
            if not follow:
                raise
        if follow:
            async for entry in reader.following():
                if order(entry.entry_id) >= earliest:
                    yield entry


def _parse_start(since: str) -> tuple[str | None, tuple[int, int]]:
    """The id to read after (``None``: the last one) and the smallest id that is wanted."""
    if since == "NOW":
        return None, (0, 0)
    if since.upper() == "BEGINNING":
        return "0-0", (0, 0)
    exclusive, digits = since.startswith("("), since.removeprefix("(")
    if digits.replace("-", "", 1).isdecimal() and (exclusive or len(digits.partition("-")[0]) > 8):
        first = order(digits)
        return (f"{first[0]}-{first[1]}" if exclusive else _before(first)), first
    try:
        moment = parse_moment(since)
    except ValueError as error:
        raise Refusal(
            f"--from {since} is not an entry id (1763800000000-0), BEGINNING, a duration (10m, 2h, 3d) "
            "or an ISO time"
        ) from error
    first = (int(moment.timestamp() * 1000), 0)
    return _before(first), first


def _before(entry_id: tuple[int, int]) -> str:
    """The largest id below this one: reads begin after an id."""
    milliseconds, counter = entry_id
    if counter:
        return f"{milliseconds}-{counter - 1}"
    return f"{milliseconds - 1}-{2**64 - 1}" if milliseconds else "0-0"


def _show(entry: Entry, as_json: bool) -> None:
    if as_json:
        print_json(entry.to_json())
        return
    console = screen()
    line = _line(entry, _local_time(moment_of(entry.entry_id)))
    if console.is_terminal:
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True, soft_wrap=False)
    else:
        console.print(line)


def _line(entry: Entry, at: str) -> Text:
    """Time, stream, type, subject, sequence, trace, and the beginning of the data."""
    line = Text.assemble((at, "dim"), " ", (printable(entry.stream), "cyan"), " ")
    if entry.event is None:
        return line.append(f"not an event ({printable(entry.problem)}), entry {entry.entry_id}", "red")
    event = entry.event
    line.append(printable(event.type), "bold")
    if event.subject:
        line.append(f" {printable(event.subject)}")
    if entry.sequence is not None:
        line.append(f" #{entry.sequence}", "green")
    if reason := entry.fields.get(b"dead-reason"):
        line.append(f" {preview(reason)}", "red")
    if entry.trace_id:
        line.append(f" trace={printable(entry.trace_id)}", "magenta")
    return line.append(f" {preview(event.data)}", "dim")


def _local_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}Z"


@app.command()
def publish(
    stream: Annotated[str, typer.Argument(help="Such as chat.commands.", autocompletion=complete_stream)],
    type_: Annotated[
        str,
        typer.Argument(metavar="TYPE", help="Such as chat.message.append.v1.", autocompletion=complete_type),
    ],
    data: Annotated[str, typer.Argument(help="JSON, @FILE, or - for standard input.")],
    event_id: Annotated[
        str | None,
        typer.Option(
            "--id",
            help="An event that is published twice with the same id is handled once. Default: a new id.",
        ),
    ] = None,
    source: Annotated[str, typer.Option(help="The event's CloudEvents source.")] = sending.SOURCE,
    subject: Annotated[
        str | None, typer.Option(help="Default: the data's conversationId or knowledgeBaseId.")
    ] = None,
    validate: Annotated[
        bool, typer.Option("--validate/--no-validate", help="Check type, stream and data before sending.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Publish one event. It starts a trace, which `takaro event ID` and `takaro trace` show."""

    async def work(settings: OperatorSettings) -> None:
        raw = _read_data(data)
        try:
            event = sending.make(
                type_, raw, event_id=event_id or str(uuid4()), source=source, subject=subject
            )
            if validate:
                sending.check(stream, event)
        except ValidationError as error:
            problems = explain(error.errors(include_url=False))
            raise Refusal(
                f"the data doesn't fit {type_}: {problems} (--no-validate sends it anyway)"
            ) from error
        async with open_streams(settings) as redis:
            if validate:
                await sending.check_stream(redis, stream)
            published = await sending.publish(redis, stream, event)
        if as_json:
            print_json(published)
            return
        for key, value in published.items():
            screen().print(Text(f"{key:<12}{printable(value)}"))

    run(work)


def _read_data(argument: str) -> bytes:
    """The event's data, unchanged. Raises :class:`Refusal` if it can't be read or isn't JSON."""
    try:
        if argument == "-":
            raw = sys.stdin.buffer.read()
        elif argument.startswith("@"):
            raw = Path(argument[1:]).read_bytes()
        else:
            raw = argument.encode()
        codec.loads(raw)
    except OSError as error:
        raise Refusal(f"can't read {argument[1:]}: {error.strerror}") from error
    except ValueError as error:
        raise Refusal(f"the data isn't JSON: {error}") from error
    return raw.strip()
