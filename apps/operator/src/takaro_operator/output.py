"""How results are shown: tables and one-line events for people, JSON for scripts."""

import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.json import JSON
from rich.table import Table
from rich.text import Text

from common import codec

Json = Annotated[bool, typer.Option("--json", help="JSON for scripts instead of text for people.")]

PIPE_WIDTH = 200
"""Columns where there is no terminal to ask: tables in logs and pipes fold nothing of usual length."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+")


def screen(*, errors: bool = False) -> Console:
    """Where people read: standard output, or the error stream for what is no result."""
    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """A remark for people, on the error stream: results alone go to standard output."""
    screen(errors=True).print(Text(printable(line)))


def complain(line: str) -> None:
    """Say what went wrong, on the error stream."""
    screen(errors=True).print(Text(printable(line), style="bold red"))


def print_json(value: object) -> None:
    """One JSON document on one line, at once."""
    sys.stdout.write(codec.dumps_str(value) + "\n")
    sys.stdout.flush()


def make_table(title: str, *headings: str) -> Table:
    """A table that folds long cells and hides none."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def printable(value: str | bytes | None) -> str:
    """Text that can't steer the terminal: events hold what anybody wrote. Control characters are escaped."""
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
    """An event's data as JSON; as text when it is none."""
    try:
        return codec.loads(data)
    except ValueError:
        return data.decode(errors="backslashreplace")


def pretty_json(data: bytes) -> Text:
    """An event's data, indented and coloured; as it is when it is no JSON."""
    try:
        value = codec.loads(data)
    except ValueError:
        return Text(printable(data))
    lines = JSON.from_data(value, ensure_ascii=False).text.plain.splitlines()
    return JSONHighlighter()("\n".join(printable(line) for line in lines))


def age(seconds: float | None) -> str:
    """``3d 4h``, ``5m 10s``, ``1.2s``; ``in 5m`` for what lies ahead."""
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
    """``10m`` (ago; also ``1h30m``, ``2d``) or an ISO 8601 time, UTC unless it says so. Raises ValueError."""
    if _DURATION.fullmatch(text):
        parts = re.findall(r"([\d.]+)([smhdw])", text)
        ago = timedelta(seconds=sum(float(count) * _UNITS[unit] for count, unit in parts))
        return (now or datetime.now(UTC)) - ago
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
