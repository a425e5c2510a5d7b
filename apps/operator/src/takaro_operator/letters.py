"""How dead letters are shown: JSON for scripts, a table or a panel for people."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
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


_OWN_WORDS = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\b\d[\d.,:-]*\b|\b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b"
)
"""Ids and numbers, which differ in reasons that are otherwise the same."""


@dataclass(slots=True)
class Group:
    """Letters of one stream that died for the same reason, but for ids and numbers in it."""

    stream: str
    kind: str
    reason: str
    oldest: datetime
    newest: datetime
    count: int = 0

    def to_json(self) -> dict[str, Any]:
        return {
            "stream": self.stream,
            "kind": self.kind,
            "reason": self.reason,
            "count": self.count,
            "oldest": rfc3339(self.oldest),
            "newest": rfc3339(self.newest),
        }


@dataclass(slots=True)
class Groups:
    """Counts letters by stream, kind and reason."""

    total: int = 0
    _groups: dict[tuple[str, str, str], Group] = field(default_factory=dict)

    def add(self, letter: Letter) -> None:
        key = (letter.home, letter.note("kind"), _OWN_WORDS.sub("…", letter.note("reason")))
        group = self._groups.setdefault(key, Group(*key, letter.died_at, letter.died_at))
        group.count += 1
        group.oldest = min(group.oldest, letter.died_at)
        group.newest = max(group.newest, letter.died_at)
        self.total += 1

    @property
    def largest_first(self) -> list[Group]:
        return sorted(self._groups.values(), key=lambda group: -group.count)


def count(number: int) -> str:
    return f"{number:,} dead letter{'' if number == 1 else 's'}"


def table_of_groups(groups: Groups, most: int = 50) -> Table:
    """The ``most`` largest groups."""
    found = groups.largest_first
    left = f"; the {most} most frequent of {len(found):,} reasons" if len(found) > most else ""
    made = make_table(
        f"{count(groups.total)}{left}", "letters", "stream", "kind", "reason", "oldest", "newest"
    )
    now = datetime.now(UTC)
    for group in found[:most]:
        made.add_row(
            f"{group.count:,}",
            Text(printable(group.stream)),
            Text(printable(group.kind)),
            Text(preview(group.reason.encode(), 200)),
            *(f"{age((now - moment).total_seconds())} ago" for moment in (group.oldest, group.newest)),
        )
    return made


def table(letters: Sequence[Letter]) -> Table:
    made = make_table(
        count(len(letters)), "dead letter", "stream", "type", "subject", "event id", "died", "kind", "reason"
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
