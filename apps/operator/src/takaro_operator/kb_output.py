"""How ``takaro kb`` shows bases, syncs and what a search found."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from takaro_operator.output import make_table, print_json, printable, say, screen

BASE_HEADINGS = ("id", "name", "state", "files", "commit", "synced", "schedule", "source", "what went wrong")
SYNC_HEADINGS = ("requested", "by", "state", "type", "commit", "+ ~ - files", "chunks", "what went wrong")


def show_bases(bases: Sequence[dict[str, Any]]) -> None:
    """A table of bases, and below it what their people should know."""
    table = make_table("Knowledge bases", *BASE_HEADINGS)
    for base in bases:
        _row(
            table,
            base["id"],
            base["name"],
            base.get("state"),
            base["documentCount"],
            (base["lastCommitSha"] or "")[:12],
            base["lastSyncedAt"] or "never",
            base["refreshSchedule"],
            base["source"],
            base.get("lastError"),
        )
    screen().print(table)
    for base in bases:
        for notice in base.get("notices", []):
            say(f"{base['id']}: {notice}")


def show_syncs(base_id: str, syncs: Sequence[dict[str, Any]], *, files: bool) -> None:
    """A table of syncs; with ``files`` one of what happened to each file, too."""
    table = make_table(f"Syncs of {printable(base_id)}", *SYNC_HEADINGS)
    for entry in syncs:
        done = entry["commit"] is not None
        _row(
            table,
            entry["createdAt"],
            entry["trigger"],
            entry["state"],
            entry["type"],
            (entry["commit"] or "")[:12],
            f"{entry['added']} {entry['modified']} {entry['removed']}" if done else "",
            f"+{entry['chunksCreated']} -{entry['chunksRemoved']}" if done else "",
            entry["error"],
        )
    screen().print(table)
    if files:
        screen().print(_files_table(syncs))


def show_base(base: dict[str, Any], as_json: bool) -> None:
    """What is known of a base: a line for each thing, or JSON."""
    if as_json:
        print_json(base)
        return
    for key, value in base.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        if shown not in (None, ""):
            screen().print(Text(f"{key:<17}{printable(str(shown))}"))


def _row(table: Table, *cells: object) -> None:
    table.add_row(*(Text(printable("" if cell is None else str(cell))) for cell in cells))


def _files_table(syncs: Sequence[dict[str, Any]]) -> Table:
    table = make_table("Files that changed, or have no content", "sync", "file", "outcome", "reason")
    for entry in syncs:
        for file in entry["files"]:
            outcome = " ".join(filter(None, [file["change"], file["outcome"]]))
            _row(table, entry["createdAt"], file["path"], outcome, file["reason"])
        if entry["filesOmitted"]:
            _row(table, entry["createdAt"], f"… and {entry['filesOmitted']} more", "", "")
    return table
