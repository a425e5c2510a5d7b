"""``takaro dead``: what was given up on, why, and what becomes of it."""

import sys
from collections import Counter
from typing import Annotated, Any, Literal

import typer
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from backbone.events import rfc3339
from takaro_operator import letters as dead_letters
from takaro_operator.entries import age_of
from takaro_operator.letters import Filters, Letter
from takaro_operator.output import (
    Json,
    age,
    make_table,
    parse_moment,
    pretty_json,
    preview,
    print_json,
    printable,
    say,
    screen,
)
from takaro_operator.running import Failure, OperatorSettings, open_bus, run

app = typer.Typer(
    help="List, show, replay and drop dead letters.", no_args_is_help=True, add_completion=False
)

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Event ids, entry ids of the dead letters, or original entry ids."),
]
Stream = Annotated[str | None, typer.Option(help="Where they come from, such as chat.commands.")]
Type = Annotated[str | None, typer.Option("--type", metavar="GLOB", help="Such as 'chat.message.*'.")]
Kind = Annotated[
    Literal["invalid", "failed"] | None,
    typer.Option(help="invalid: refused at once. failed: its handler failed too often."),
]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="Text in the reason, in any case.")]
Subject = Annotated[str | None, typer.Option(help="What the event is about, exactly.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Died after: how long ago (10m, 2h, 3d) or an ISO time.")
]
Limit = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many, oldest first.")]
All = Annotated[bool, typer.Option("--all", help="All of them; needed when there is no filter.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say which ones it would be, and change nothing.")]


@app.command("list")
def list_(
    ids: Ids = None,
    stream: Stream = None,
    type_: Type = None,
    kind: Kind = None,
    reason: Reason = None,
    subject: Subject = None,
    since: Since = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List dead letters, oldest first; JSON lines with --json."""
    filters = _filters(ids, stream, type_, kind, reason, subject, since)

    async def work(settings: OperatorSettings) -> None:
        letters = await _collect(settings, filters, limit)
        if as_json:
            for letter in letters:
                print_json(letter.to_json())
            return
        _print_table(letters)
        if len(letters) == limit:
            say(f"the first {limit} only: --limit shows more")

    run(work)


@app.command()
def show(ids: Ids = None, stream: Stream = None, as_json: Json = False) -> None:
    """Show dead letters in full: why they died, and everything they carry. JSON lines with --json."""
    if not ids:
        raise typer.BadParameter("which one? `takaro dead list` lists their ids")

    async def work(settings: OperatorSettings) -> None:
        letters = await _collect(settings, Filters(ids=ids, stream=stream), None)
        if not letters:
            raise Failure(f"no dead letter has the id {', '.join(ids)}: `takaro dead list` lists them")
        for letter in letters:
            if as_json:
                print_json(letter.to_full_json())
            else:
                screen().print(_panel(letter), soft_wrap=False)

    run(work)


@app.command()
def replay(
    ids: Ids = None,
    stream: Stream = None,
    type_: Type = None,
    kind: Kind = None,
    reason: Reason = None,
    subject: Subject = None,
    since: Since = None,
    limit: Limit = None,
    every: All = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send dead letters back into their streams, to be handled once more. They take their place at the end.

    What has had its effect has it no second time: they keep their ids.
    """
    filters = _filters(ids, stream, type_, kind, reason, subject, since)
    _refuse_everything(filters, every)

    async def work(settings: OperatorSettings) -> None:
        if dry_run:
            _report("replay", await _collect(settings, filters, limit), {}, dry_run, as_json)
            return
        letters: list[Letter] = []
        new_ids: dict[str, str] = {}
        async with open_bus(settings) as redis:
            try:
                async for page in dead_letters.find(redis, filters, limit):
                    new_ids |= await dead_letters.replay(redis, page)
                    letters += page
            finally:
                _report("replay", letters, new_ids, dry_run, as_json)

    run(work)


@app.command()
def drop(
    ids: Ids = None,
    stream: Stream = None,
    type_: Type = None,
    kind: Kind = None,
    reason: Reason = None,
    subject: Subject = None,
    since: Since = None,
    limit: Limit = None,
    every: All = False,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete dead letters for good, after asking."""
    filters = _filters(ids, stream, type_, kind, reason, subject, since)
    _refuse_everything(filters, every)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise typer.BadParameter("nobody is here to ask: --yes drops them, --dry-run lists them")

    async def work(settings: OperatorSettings) -> None:
        letters = await _collect(settings, filters, limit)
        if letters and not (yes or dry_run):
            _print_table(letters)
            typer.confirm(f"Delete {_count(letters)} for good?", abort=True, err=True)
        if not dry_run:
            async with open_bus(settings) as redis:
                for start in range(0, len(letters), 100):
                    await dead_letters.drop(redis, letters[start : start + 100])
        _report("drop", letters, {}, dry_run, as_json)

    run(work)


def _filters(
    ids: list[str] | None,
    stream: str | None,
    type_: str | None,
    kind: str | None,
    reason: str | None,
    subject: str | None,
    since: str | None,
) -> Filters:
    try:
        moment = parse_moment(since) if since else None
    except ValueError as error:
        raise typer.BadParameter(f"--since {since} is no duration (10m, 2h, 3d) and no ISO time") from error
    return Filters(ids or (), stream, type_, kind, reason, subject, moment)


def _refuse_everything(filters: Filters, every: bool) -> None:
    if not filters.given and not every:
        raise typer.BadParameter(
            "say which: ids, --stream, --type, --kind, --reason, --subject, --since; or --all"
        )


async def _collect(settings: OperatorSettings, filters: Filters, limit: int | None) -> list[Letter]:
    async with open_bus(settings) as redis:
        return [letter async for page in dead_letters.find(redis, filters, limit) for letter in page]


def _report(
    action: str, letters: list[Letter], new_ids: dict[str, str], dry_run: bool, as_json: bool
) -> None:
    """What was done, or would be. As JSON: ``action, dryRun, count, letters: [{…, newEntryId}]``."""
    if as_json:
        rows: list[dict[str, Any]] = [
            {**letter.to_json(), "newEntryId": new_ids.get(letter.entry_id)} for letter in letters
        ]
        print_json({"action": action, "dryRun": dry_run, "count": len(rows), "letters": rows})
        return
    if dry_run:
        _print_table(letters)
        say(f"would {action} {_count(letters)}; nothing was changed")
        return
    done = {"replay": "replayed", "drop": "dropped"}[action]
    streams = Counter(letter.home for letter in letters)
    where = ", ".join(f"{stream} {count}" for stream, count in streams.items())
    say(f"{done} {_count(letters)}" + (f": {where}" if where else ""))
    if letters and action == "replay":
        say("`takaro dead list --since 1m` shows whether one of them died again")


def _count(letters: list[Letter]) -> str:
    return f"{len(letters)} dead letter{'' if len(letters) == 1 else 's'}"


def _print_table(letters: list[Letter]) -> None:
    if not letters:
        say("no dead letters fit")
        return
    table = make_table(
        _count(letters), "dead letter", "stream", "type", "subject", "event id", "died", "kind", "reason"
    )
    for letter in letters:
        ago = age_of(letter.entry_id)
        table.add_row(
            letter.entry_id,
            Text(printable(letter.home)),
            Text(printable(letter.type)),
            Text(printable(letter.subject)),
            Text(printable(letter.event_id)),
            f"{age(ago)} ago",
            Text(printable(letter.note("kind"))),
            Text(preview(letter.note("reason").encode(), 200)),
        )
    screen().print(table)


def _panel(letter: Letter) -> Panel:
    table = Table.grid(padding=(0, 2))
    rows = {
        "why": f"{letter.note('kind')}: {letter.note('reason')}",
        "when": f"{rfc3339(letter.died_at)} ({age(age_of(letter.entry_id))} ago)",
        "failures": letter.note("failures"),
        "from": f"{letter.home} {letter.original_id}, group {letter.note('group')}",
        "event id": letter.event_id,
    }
    for name, value in rows.items():
        table.add_row(Text(name, "bold"), Text(printable(value)))
    for raw_name, raw in dead_letters.own_fields(letter.fields).items():
        name = printable(raw_name)
        table.add_row(Text(name, "cyan"), _value(name, raw))
    return Panel(table, title=Text(f"{letter.dead_stream} {letter.entry_id}"), title_align="left")


def _value(name: str, raw: bytes) -> Text:
    return pretty_json(raw) if name == "data" else Text(printable(raw))
