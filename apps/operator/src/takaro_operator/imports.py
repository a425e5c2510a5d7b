"""``takaro import``: exported conversations become a user's, over the HTTP API of chat."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

from takaro_operator.conversations_http import ConversationsClient
from takaro_operator.errors import Failure, Refusal
from takaro_operator.exported_file import Exported, conversations_in
from takaro_operator.exports import User
from takaro_operator.output import Json, complain, print_json, say
from takaro_operator.progress import progress_bar
from takaro_operator.running import run
from takaro_operator.settings import OperatorSettings

CHUNK_BYTES = 65_536
_OF_ONE = (400, 403, 404, 409, 413, 422)
"""Refusals of one conversation; others may be imported none the less."""


def import_conversations(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to import; - for standard input.")],
    user: User = None,
    copy: Annotated[bool, typer.Option("--copy", help="Give all of them new ids.")] = False,
    skip: Annotated[int, typer.Option(min=0, help="Leave out so many of the first conversations.")] = 0,
    as_json: Json = False,
) -> None:
    """Import the conversations in FILE as the user's.

    FILE is what `takaro export` wrote. It may be repeated: a conversation that is there already, unchanged,
    stays. With --copy each run makes new ones. One that is refused doesn't keep the others out.
    """

    async def work(_: OperatorSettings) -> None:
        with _opened(file) as given:
            async with ConversationsClient(user) as client:
                counts = await _import(client, given, skip, copy=copy)
        if as_json:
            print_json(counts)
        else:
            say(f"{counts['imported']} conversations imported, with {counts['messages']} messages")
        if counts["refused"]:
            raise Failure(f"{len(counts['refused'])} conversations were not imported")

    run(work)


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    """The file; standard input is copied first, because each conversation is read twice."""
    if str(file) == "-":
        with tempfile.TemporaryFile() as copied:
            shutil.copyfileobj(sys.stdin.buffer, copied)
            yield copied
        return
    try:
        given = file.open("rb")
    except OSError as error:
        raise Refusal(f"{file} can't be read: {error.strerror}") from error
    with given:
        yield given


async def _import(client: ConversationsClient, file: IO[bytes], skip: int, *, copy: bool) -> dict[str, Any]:
    counts: dict[str, Any] = {"imported": 0, "messages": 0, "refused": []}
    size = file.seek(0, 2)
    file.seek(0)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    read = 0
    with progress_bar(*columns) as bar:
        task = bar.add_task("importing", total=size)
        try:
            for found in conversations_in(file):
                read += 1
                if read > skip:
                    await _import_one(client, file, found, counts, copy=copy)
                bar.update(task, completed=found.end)
        except Failure as failure:
            done = f"{max(read - 1, 0)} conversations of the file were read before"
            again = f"; go on with --skip {max(read - 1, skip)}" if copy else ": run it again to go on"
            raise type(failure)(f"{failure}. {done}{again}") from failure
    return counts


async def _import_one(
    client: ConversationsClient, file: IO[bytes], found: Exported, counts: dict[str, Any], *, copy: bool
) -> None:
    try:
        imported = await client.import_conversation(lambda: _pieces(file, found), copy=copy)
    except Failure as failure:
        if failure.http_status not in _OF_ONE:
            raise
        complain(f"{found.id} (from line {found.line} of the file on): {failure}")
        counts["refused"].append({"id": found.id, "line": found.line, "reason": str(failure)})
    else:
        counts["imported"] += 1
        counts["messages"] += imported["messages"]


async def _pieces(file: IO[bytes], found: Exported) -> AsyncIterator[bytes]:
    await asyncio.to_thread(file.seek, found.begin)
    left = found.end - found.begin
    while left:
        piece = await asyncio.to_thread(file.read, min(CHUNK_BYTES, left))
        if not piece:
            raise Failure("the file was cut off while it was read")
        left -= len(piece)
        yield piece
