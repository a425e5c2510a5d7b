"""How dead letters are shown: JSON for scripts, a table or a panel for people."""

from collections.abc import Sequence
from typing import Any

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from backbone.events import rfc3339
from backbone.redis_streams.entry_ids import age_of, text
from backbone.redis_streams.letters import Letter, own_fields
from takaro_operator.output import (
    age,
    json_or_text,
    make_grid,
    make_table,
    pretty_json,
    preview,
    printable,
)


def to_json(letter: Letter) -> dict[str, Any]:
    """Where it comes from, why it failed, and which event it was. See docs/operations/dead-letters.md."""
    failures = letter.note("failures")
    return {
        "stream": letter.home,
        "deadStream": letter.dead_stream,
        "entryId": letter.entry_id,
        "originalEntryId": letter.original_id,
        "group": letter.note("group"),
        "kind": letter.note("kind"),
        "reason": letter.note("reason"),
        "failures": int(failures) if failures.isdecimal() else None,
        "diedAt": rfc3339(letter.died_at),
        "id": letter.event_id,
        "source": letter.source,
        "type": letter.type or None,
        "subject": letter.subject,
        "traceId": letter.trace_id,
    }


def to_full_json(letter: Letter) -> dict[str, Any]:
    """:func:`to_json` and the original entry's ``fields``; ``data`` is decoded if it is JSON."""
    fields: dict[str, Any] = {
        text(name): json_or_text(value) if name == b"data" else text(value)
        for name, value in own_fields(letter.fields).items()
    }
    return {**to_json(letter), "fields": fields}


def count(letters: Sequence[Letter]) -> str:
    return f"{len(letters)} dead letter{'' if len(letters) == 1 else 's'}"


def table(letters: Sequence[Letter]) -> Table:
    made = make_table(
        count(letters), "dead letter", "stream", "type", "subject", "event id", "died", "kind", "reason"
    )
    for letter in letters:
        made.add_row(
            letter.entry_id,
            Text(printable(letter.home)),
            Text(printable(letter.type)),
            Text(printable(letter.subject)),
            Text(printable(letter.event_id)),
            f"{age(age_of(letter.entry_id))} ago",
            Text(printable(letter.note("kind"))),
            Text(preview(letter.note("reason").encode(), 200)),
        )
    return made


def panel(letter: Letter) -> Panel:
    """One letter in full: why it failed, then the original entry's fields."""
    grid = make_grid()
    rows = {
        "why": f"{letter.note('kind')}: {letter.note('reason')}",
        "when": f"{rfc3339(letter.died_at)} ({age(age_of(letter.entry_id))} ago)",
        "failures": letter.note("failures"),
        "from": f"{letter.home} {letter.original_id}, group {letter.note('group')}",
        "event id": letter.event_id,
    }
    for name, value in rows.items():
        grid.add_row(Text(name, "bold"), Text(printable(value)))
    for raw_name, raw in own_fields(letter.fields).items():
        field = printable(raw_name)
        grid.add_row(Text(field, "cyan"), pretty_json(raw) if field == "data" else Text(printable(raw)))
    return Panel(grid, title=Text(f"{letter.dead_stream} {letter.entry_id}"), title_align="left")
