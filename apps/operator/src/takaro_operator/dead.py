"""``takaro dead``: which entries became dead letters and why; replay or drop them."""

import sys
from collections import Counter
from typing import Annotated

import typer

from backbone.redis_streams import letters as dead_letters
from backbone.redis_streams.letters import Filters, Letter
from takaro_operator.connections import open_streams
from takaro_operator.dead_filters import Ids, Stream, with_filters
from takaro_operator.entries import KNOWN_STREAMS
from takaro_operator.errors import Failure
from takaro_operator.letters import Group, Groups, count, panel, table, table_of_groups, to_full_json, to_json
from takaro_operator.output import Json, print_json, say, screen
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

app = typer.Typer(
    help="List, show, replay and drop dead letters.", no_args_is_help=True, add_completion=False
)

Limit = Annotated[
    int | None, typer.Option("--limit", "-n", min=1, help="Show at most this many, oldest first.")
]
All = Annotated[
    bool, typer.Option("--all", help="All dead letters; required when neither ids nor filters are given.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the dead letters, and change nothing.")]


@app.command("list")
@with_filters
def list_(
    filters: Filters,
    limit: Limit = 100,
    by_reason: Annotated[
        bool, typer.Option("--by-reason", help="Count them by stream, kind and reason instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List dead letters, oldest first; JSON lines with --json. Says how many there are in all, and why."""

    async def work(settings: OperatorSettings) -> None:
        groups, letters = Groups(), list[Letter]()
        async with open_streams(settings) as redis:
            async for page in dead_letters.find(redis, filters, known=KNOWN_STREAMS):
                for letter in page:
                    groups.add(letter)
                letters += page[: (limit or groups.total) - len(letters)]
        if not groups.total:
            raise Failure("no dead letter matches")
        hidden = groups.total > len(letters)
        if as_json:
            for row in groups.largest_first if by_reason else letters:
                print_json(row.to_json() if isinstance(row, Group) else to_json(row))
        elif by_reason:
            screen().print(table_of_groups(groups))
        else:
            screen().print(table(letters))
            if hidden:
                screen().print(table_of_groups(groups))
        if hidden and not by_reason:
            say(f"only the oldest {len(letters):,} of {groups.total:,} are shown: --limit shows more")

    run(work)


@app.command()
def show(ids: Ids = None, stream: Stream = None, as_json: Json = False) -> None:
    """Show dead letters in full: why they failed, and all their fields. JSON lines with --json."""
    if not ids:
        raise typer.BadParameter("say which one; `takaro dead list` lists their ids")

    async def work(settings: OperatorSettings) -> None:
        letters = await _collect(settings, Filters(ids=ids, stream=stream), None)
        if not letters:
            raise Failure(f"no dead letter has the id {', '.join(ids)}: `takaro dead list` lists them")
        for letter in letters:
            if as_json:
                print_json(to_full_json(letter))
            else:
                screen().print(panel(letter), soft_wrap=False)

    run(work)


@app.command()
@with_filters
def replay(
    filters: Filters,
    limit: Limit = None,
    every: All = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send dead letters back to the end of their streams, to be handled again.

    They keep their ids, so an event that has had its effect doesn't have it twice.
    """
    _refuse_everything(filters, every)

    async def work(settings: OperatorSettings) -> None:
        if dry_run:
            found = await _collect(settings, filters, limit)
            _report("replay", found, {}, dry_run, as_json)
            _refuse_none(found)
            return
        letters: list[Letter] = []
        new_ids: dict[str, str] = {}
        async with open_streams(settings) as redis:
            try:
                async for page in dead_letters.find(redis, filters, limit, known=KNOWN_STREAMS):
                    new_ids |= await dead_letters.replay(redis, page)
                    letters += page
            finally:
                _report("replay", letters, new_ids, dry_run, as_json)
        _refuse_none(letters)

    run(work)


@app.command()
@with_filters
def drop(
    filters: Filters,
    limit: Limit = None,
    every: All = False,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    as_json: Json = False,
) -> None:
    """Delete dead letters permanently, after confirmation."""
    _refuse_everything(filters, every)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise typer.BadParameter(
            "there is no terminal to ask on: --yes drops them without asking, --dry-run lists them"
        )

    async def work(settings: OperatorSettings) -> None:
        letters = await _collect(settings, filters, limit)
        if letters and not (yes or dry_run):
            groups = Groups()
            for letter in letters:
                groups.add(letter)
            screen(errors=True).print(table_of_groups(groups))
            say("--dry-run lists each of them")
            typer.confirm(f"Delete {count(len(letters))} permanently?", abort=True, err=True)
        if not dry_run:
            async with open_streams(settings) as redis:
                await dead_letters.drop(redis, letters)
        _report("drop", letters, {}, dry_run, as_json)
        _refuse_none(letters)

    run(work)


def _refuse_none(letters: list[Letter]) -> None:
    if not letters:
        raise Failure("no dead letter matches: `takaro dead list` shows all")


def _refuse_everything(filters: Filters, every: bool) -> None:
    if not filters.given and not every:
        raise typer.BadParameter(
            "say which: ids, --stream, --type, --kind, --reason, --subject, --since; or --all"
        )


async def _collect(settings: OperatorSettings, filters: Filters, limit: int | None) -> list[Letter]:
    async with open_streams(settings) as redis:
        pages = dead_letters.find(redis, filters, limit, known=KNOWN_STREAMS)
        return [letter async for page in pages for letter in page]


def _report(
    action: str, letters: list[Letter], new_ids: dict[str, str], dry_run: bool, as_json: bool
) -> None:
    """What was done, or would be. As JSON: ``action, dryRun, count, letters: [{…, newEntryId}]``."""
    if as_json:
        rows = [{**to_json(letter), "newEntryId": new_ids.get(letter.entry_id)} for letter in letters]
        print_json({"action": action, "dryRun": dry_run, "count": len(rows), "letters": rows})
        return
    if not letters:
        return
    if dry_run:
        screen().print(table(letters))
        say(f"would {action} {count(len(letters))}; nothing was changed")
        return
    done = {"replay": "replayed", "drop": "dropped"}[action]
    streams = Counter(letter.home for letter in letters)
    where = ", ".join(f"{stream} {number}" for stream, number in streams.items())
    say(f"{done} {count(len(letters))}" + (f": {where}" if where else ""))
    if letters and action == "replay":
        say("`takaro dead list --since 1m` shows whether one of them failed again")
