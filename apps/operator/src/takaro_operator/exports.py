"""``takaro export``: a user's conversations as JSON Lines, over the HTTP API of chat."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import httpx
import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from takaro_operator.conversations_http import ConversationsClient
from takaro_operator.errors import Failure, Refusal
from takaro_operator.exported_file import END_BYTES, PARTIAL, ends, read_partial
from takaro_operator.output import Json, parse_moment, print_json, say
from takaro_operator.progress import progress_bar
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

User = Annotated[
    str | None,
    typer.Option("--user", help="Whose conversations, with AUTH_MODE=dev; else TAKARO_TOKEN says it."),
]


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - for standard output.")],
    user: User = None,
    agent: Annotated[str | None, typer.Option(help="Only those with this agent.")] = None,
    title: Annotated[str | None, typer.Option(help="Only those whose title has this in it.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only those changed since then: 7d ago, or a time.", metavar="WHEN")
    ] = None,
    conversation: Annotated[
        list[str] | None, typer.Option(help="Only this conversation, by id; may be repeated.")
    ] = None,
    history: Annotated[bool, typer.Option(help="With the versions that states had.")] = True,
    as_json: Json = False,
) -> None:
    """Export a user's conversations to FILE, as JSON Lines.

    One that was interrupted goes on after its last whole conversation when it is run again.
    """

    async def work(_: OperatorSettings) -> None:
        filters = _filters(agent, title, since)
        if conversation and filters:
            raise Refusal("give --conversation, or what to look for, not both")
        async with ConversationsClient(user) as client:
            with _writing(file) as (out, done):
                counts = await _export(client, out, done, filters, conversation or [], history=history)
        if as_json:
            print_json(counts)
        else:
            say(_said(counts))

    run(work)


def _filters(agent: str | None, title: str | None, since: str | None) -> dict[str, str]:
    filters = {"agentId": agent, "title": title}
    if since is not None:
        try:
            filters["updatedFrom"] = parse_moment(since).isoformat()
        except ValueError:
            raise Refusal(f"--since {since}: must be like 7d, or a time like 2026-11-28T12:00") from None
    return {name: value for name, value in filters.items() if value is not None}


@contextmanager
def _writing(file: Path) -> Iterator[tuple[IO[bytes], set[str]]]:
    """Where to write, and the ids of what is there already. A file has its name once it is complete."""
    if str(file) == "-":
        yield sys.stdout.buffer, set()
        sys.stdout.buffer.flush()
        return
    if file.exists():
        raise Refusal(f"{file} exists: remove it, or name another file")
    partial = file.with_name(file.name + PARTIAL)
    try:
        out = partial.open("ab+")
    except OSError as error:
        raise Refusal(f"{partial} can't be written: {error.strerror}") from error
    with out:
        end, done = read_partial(out)
        out.truncate(end)
        out.seek(end)
        if done:
            say(f"{partial} has {len(done)} conversations already: going on after them")
        try:
            yield out, done
        except Failure as failure:
            kept = f"{failure}. What was exported is in {partial}: run it again to go on"
            raise type(failure)(kept) from failure
        out.flush()
        os.fsync(out.fileno())
    partial.rename(file)


async def _export(
    client: ConversationsClient,
    out: IO[bytes],
    done: set[str],
    filters: dict[str, str],
    ids: list[str],
    *,
    history: bool,
) -> dict[str, Any]:
    counts = {"exported": 0, "before": len(done), "gone": 0}
    total = len(ids) if ids else await client.count(filters)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with progress_bar(*columns) as bar:
        task = bar.add_task("exporting", total=total)
        async for id in _ids(client, filters, ids):
            bar.advance(task)
            if id in done:
                continue
            try:
                await _export_one(client, out, id, history=history)
            except Failure as failure:
                if failure.http_status != httpx.codes.NOT_FOUND or ids:
                    raise
                counts["gone"] += 1  # it was deleted since it was listed
            else:
                counts["exported"] += 1
    return counts


async def _export_one(client: ConversationsClient, out: IO[bytes], id: str, *, history: bool) -> None:
    last = b""
    async with client.export(id, history=history) as pieces:
        async for piece in pieces:
            out.write(piece)
            last = (last + piece)[-END_BYTES:]
    if not ends(last):
        raise Failure(f"the export of {id} was cut off")


async def _ids(client: ConversationsClient, filters: dict[str, str], ids: list[str]) -> AsyncIterator[str]:
    for id in ids:
        yield id
    if not ids:
        async for conversation in client.each(filters):
            yield str(conversation["id"])


def _said(counts: dict[str, Any]) -> str:
    said = f"{counts['exported']} conversations exported"
    if counts["before"]:
        said += f", {counts['before']} were there before"
    if counts["gone"]:
        said += f", {counts['gone']} were deleted meanwhile"
    return said
