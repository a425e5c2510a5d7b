"""Output to the terminal: the stack's own lines, the services' logs, and the table of addresses."""

import asyncio
import json
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

_NAME_STYLES = {"chat": "cyan", "knowledge": "magenta", "cockpit": "yellow", "traces": "blue"}
_LEVEL_STYLES = {"debug": "dim", "warning": "yellow", "error": "bold red", "critical": "bold red"}
#: Fields that have their own place in a line, or that only programs need.
_PLACED = {"time", "timestamp", "level", "event", "service", "logger", "span_id", "exception"}
_NAME_WIDTH = 10
_WATCH_SECONDS = 0.5


class Screen:
    """Writes the stack's own lines to stderr, and the services' logs to stdout as text or unchanged JSON.

    ``gone`` is called once when nobody can read the output any more: the terminal or the pipe was closed.
    """

    def __init__(self, log_format: Literal["text", "json"] | None, gone: Callable[[], None]) -> None:
        self._logs = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._own = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._as_text = (log_format or ("text" if sys.stdout.isatty() else "json")) == "text"
        self._gone = gone
        self._is_gone = False

    async def watch(self) -> None:
        """Call ``gone`` when the terminal is closed or the pipe's reader ends, even while nothing is printed.

        The kernel signals a closed terminal only to the session's leader. If that is ``make``, it doesn't
        pass the signal on.
        """
        poll = select.poll()
        for stream in (sys.stdout, sys.stderr):
            poll.register(stream.fileno(), 0)  # 0: hang-ups and errors only
        while not poll.poll(0):  # noqa: ASYNC110 (a hang-up raises no asyncio event)
            await asyncio.sleep(_WATCH_SECONDS)
        self._lose()

    def say(self, text: str, style: str = "") -> None:
        """Print a line of the stack itself."""
        for line in text.splitlines():
            self._print(self._own, Text.assemble(("stack".ljust(_NAME_WIDTH), "bold green"), (line, style)))

    def log(self, name: str, line: str) -> None:
        """Print a line that the service ``name`` wrote."""
        if self._as_text:
            self._print(self._logs, readable(name, line))
            return
        self._attempt(lambda: print(line, flush=True))

    def table(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Print rows of (name, address or command that connects), neither truncated nor wrapped."""
        table = Table(title=title, title_justify="left", title_style="bold green", box=SIMPLE_HEAD)
        table.add_column("what", style="bold", no_wrap=True, min_width=_NAME_WIDTH)
        table.add_column("where", no_wrap=True, min_width=max(len(where) for _, where in rows))
        for what, where in rows:
            table.add_row(what, Text(where))
        self._attempt(lambda: self._own.print(table, crop=False))

    def _print(self, console: Console, what: Text) -> None:
        self._attempt(lambda: console.print(what))

    def _attempt(self, write: Callable[[], None]) -> None:
        if self._is_gone:
            return
        try:
            write()
        except (OSError, ValueError, SystemExit):  # rich exits on a broken pipe
            self._lose()

    def _lose(self) -> None:
        self._is_gone = True
        self._gone()


def readable(name: str, line: str) -> Text:
    """Format a JSON log line as text: service, time, level, event, fields. Other lines stay unchanged."""
    prefix = (name.ljust(_NAME_WIDTH), _NAME_STYLES.get(name, "green"))
    fields = _parsed(line)
    if fields is None:
        return Text.assemble(prefix, line)
    level = str(fields.get("level", "info"))
    time = str(fields.get("time", fields.get("timestamp", "")))
    text = Text.assemble(
        prefix,
        (time[11:23] + " ", "dim"),
        (f"{level:8}", _LEVEL_STYLES.get(level, "green")),
        (str(fields.get("event", "")), "bold"),
    )
    for key, value in fields.items():
        if key not in _PLACED:
            text.append(f" {key}=", "dim")
            text.append(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    if "exception" in fields:
        text.append(f"\n{fields['exception']}", "red")
    return text


def _parsed(line: str) -> Mapping[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except json.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) else None
