"""How results are shown: tables and lines for people, JSON for scripts."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.json import JSON
from rich.table import Table
from rich.text import Text

from common import codec

if TYPE_CHECKING:
    from backbone.lease_holders import Holder

Json = Annotated[bool, typer.Option("--json", help="JSON for scripts instead of text for people.")]

PIPE_WIDTH = 200
"""Columns in logs and pipes, where no terminal has a width: enough to fold no cell of usual length."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")


def screen(*, errors: bool = False) -> Console:
    """Where people read: results on standard output; with ``errors``, everything else on the error stream."""
    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """Print a remark on the error stream; standard output is for results only."""
    screen(errors=True).print(Text(printable(line)))


def complain(line: str) -> None:
    """Print what went wrong on the error stream."""
    screen(errors=True).print(Text(printable(line), style="bold red"))


def print_json(value: object) -> None:
    """Print one JSON document on one line, unbuffered. What could control a terminal is escaped."""
    text = _UNPRINTABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", codec.dumps_str(value))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def make_table(title: str, *headings: str) -> Table:
    """A table with these headings. A narrow terminal folds long cells and hides none."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def make_grid() -> Table:
    """Names and values side by side, without headings and lines."""
    return Table.grid(padding=(0, 2))


def printable(value: str | bytes | None) -> str:
    """Text with control characters escaped: any program can write an event, and must not control the
    terminal."""
    if value is None:
        return ""
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
    return _UNPRINTABLE.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def preview(data: bytes, length: int = 120) -> str:
    """The beginning of an event's data, on one line."""
    # Four bytes are the longest character: enough is decoded, and never a megabyte.
    text = " ".join(printable(data[: length * 4].replace(b"\n", b" ")).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def json_or_text(data: bytes) -> Any:
    """An event's data, decoded if it is JSON, else as text."""
    try:
        return codec.loads(data)
    except ValueError:
        return data.decode(errors="backslashreplace")


def pretty_json(data: bytes) -> Text:
    """An event's data, indented and coloured if it is JSON, else unchanged."""
    try:
        value = codec.loads(data)
    except ValueError:
        return Text(printable(data))
    lines = JSON.from_data(value, ensure_ascii=False).text.plain.splitlines()
    return JSONHighlighter()("\n".join(printable(line) for line in lines))


def age(seconds: float | None) -> str:
    """``3d 4h``, ``5m 10s``, ``1.2s``; ``in 5m`` for negative seconds, empty for ``None``."""
    if seconds is None:
        return ""
    if seconds < 0:
        return f"in {age(-seconds)}"
    if seconds < 10:
        return f"{seconds:.1f}s"
    parts, left = [], round(seconds)
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def parse_moment(text: str, *, now: datetime | None = None) -> datetime:
    """``10m`` ago (also ``1h30m``, ``2d``), or an ISO 8601 time, in UTC unless it has an offset.

    Raises ``ValueError`` for anything else.
    """
    if _DURATION.fullmatch(text):
        parts = re.findall(r"([\d.]+)([smhdw])", text)
        ago = timedelta(seconds=sum(float(count) * _UNITS[unit] for count, unit in parts))
        return (now or datetime.now(UTC)) - ago
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def owner_of(holder: "Holder | None") -> str:
    """A lease's owner; if nobody holds it, says so and names the last owner."""
    if holder is None:
        return "nobody yet"
    return holder.owner if holder.valid else f"nobody (last: {holder.owner})"
