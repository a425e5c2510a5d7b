"""Follow one sync until it ends, with a progress bar on a terminal."""

import asyncio
from typing import Any

import typer
from rich.progress import BarColumn, TextColumn

from takaro_operator.errors import FAILED, Failure
from takaro_operator.knowledge_http import KnowledgeClient
from takaro_operator.output import age, complain, print_json, printable, say
from takaro_operator.progress import progress_bar

POLL_SECONDS = 0.3
ENDED = ("completed", "failed")


async def follow(client: KnowledgeClient, base_id: str, job_id: str, as_json: bool) -> None:
    """Show the sync's progress on the error stream until it ends, then its outcome.

    Ends the command with status 1 if the sync failed.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with progress_bar(*columns) as bar:
        task = bar.add_task("queued", total=None, told="")
        told = ""
        while (sync := await _find(client, base_id, job_id))["state"] not in ENDED:
            doing, done, whole, line = _step(sync)
            bar.update(task, description=doing, total=whole, completed=done, told=line)
            if not bar.console.is_terminal and line != told:
                say(f"{doing}: {line}" if line else doing)
                told = line
            await asyncio.sleep(POLL_SECONDS)
    _tell_outcome(sync, as_json)


async def _find(client: KnowledgeClient, base_id: str, job_id: str) -> dict[str, Any]:
    for sync in await client.call("GET", base_id, "syncs", limit=100):
        if sync["jobId"] == job_id:
            found: dict[str, Any] = sync
            return found
    raise Failure(f"{job_id} is not among the newest syncs of {base_id}")


def _step(sync: dict[str, Any]) -> tuple[str, int, int | None, str]:
    """The step, how much of it is done, its whole size, and a line such as
    ``12 of 40 files, 310 chunks, 77500 tokens, 8.1 chunks/s, 1m 5s left``."""
    progress = sync["progress"]
    if not progress or sync["state"] != "running":
        return sync["state"], 0, None, printable(sync["error"] or "")
    left = f", {age(progress['secondsLeft'])} left" if progress["secondsLeft"] else ""
    pace = f"{progress['rate']} chunks/s{left}"
    if progress.get("phase") == "writing":
        done, whole = progress["rowsWritten"], progress["rowsToWrite"]
        return "writing", done, whole, f"{done} of {whole} chunks written, {pace}"
    done, whole = progress["filesRead"], progress["filesToRead"]
    bought = f"{progress['chunksEmbedded']} chunks, {progress['tokens']} tokens"
    return "reading", done, whole, f"{done} of {whole} files, {bought}, {pace}"


def _tell_outcome(sync: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(sync)
    elif sync["state"] == "completed":
        counts = f"{sync['added']} added, {sync['modified']} modified, {sync['removed']} removed"
        chunks = f"{sync['chunksCreated']} chunks written, {sync['chunksRemoved']} deleted"
        did = "nothing had changed" if sync["type"] == "skipped" else f"{counts}; {chunks}"
        typer.echo(f"completed at {sync['commit'][:12]}: {did}")
    for file in sync["files"]:
        if file["reason"]:
            say(f"{file['path']}: {file['outcome']}: {file['reason']}")
    if sync["state"] == "failed":
        complain(f"the sync failed: {printable(sync['error'])}")
        raise typer.Exit(FAILED)
