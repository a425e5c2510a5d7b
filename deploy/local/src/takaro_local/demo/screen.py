"""The demo's output: a line for each finished step, and what the step found."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from takaro_local.demo.caller import FAILURES

if TYPE_CHECKING:
    from rich.status import Status

Finding: TypeAlias = str | Tree
#: What a step found. The first finding is on the step's line; the others are below it.
Step: TypeAlias = Callable[[], Iterator[Finding]]
_NAME_WIDTH = 16
_INDENT = " " * 4
#: Without a terminal, trees are truncated at this width; text isn't.
_WIDTH = 140


class Screen:
    """Prints steps to stdout. A terminal also shows the running step and its progress."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
        self._status: Status | None = None
        self._name = ""
        self.steps = 0

    def step(self, name: str, work: Step) -> None:
        """Run a step and print whether it passed. Raises the step's error again."""
        self._name = name
        began = time.monotonic()
        found: list[Finding] = []
        try:
            with self._console.status(name) as self._status:
                found.extend(work())
        except FAILURES as error:
            self._line("✗", "bold red", name, str(error) or repr(error))
            self._notes(found)
            raise
        finally:
            self._status = None
        self.steps += 1
        self._line("✓", "bold green", name, str(found[0]), time.monotonic() - began)
        self._notes(found[1:])

    def progress(self, text: str) -> None:
        """Show what the running step does now; on a terminal only."""
        if self._status is not None:
            self._status.update(f"{self._name}: {text}")

    def say(self, text: str, style: str = "") -> None:
        """Print a line."""
        self._console.print(Text(text, style), soft_wrap=True)

    def _line(self, mark: str, style: str, name: str, text: str, seconds: float | None = None) -> None:
        line = Text.assemble((f" {mark} ", style), (name.ljust(_NAME_WIDTH), "bold"), " ", text)
        if seconds is not None:
            line.append(f"  {seconds:.1f} s", "dim")
        self._console.print(line, soft_wrap=True)

    def _notes(self, found: list[Finding]) -> None:
        for finding in found:
            if isinstance(finding, str):
                self._console.print(Text(f"{_INDENT}{finding}", "dim"), soft_wrap=True)
            else:
                self._console.print(finding, no_wrap=True, overflow="ellipsis")
