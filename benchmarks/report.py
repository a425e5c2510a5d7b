"""The report of a benchmark: a table for people, JSON for comparisons."""

import json
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(slots=True)
class Report:
    """The lines of one run. A line with a target says whether it was met."""

    console: Console = field(default_factory=lambda: Console(width=120))
    rows: list[tuple[str, str, str, bool | None]] = field(default_factory=list)

    def progress(self, text: str) -> None:
        self.console.print(f"[dim]{text} …[/dim]")

    def line(self, what: str, value: str, target: str = "", met: bool | None = None) -> None:
        self.rows.append((what, value, target, met))

    def missed(self) -> list[str]:
        return [what for what, _, _, met in self.rows if met is False]

    def print(self) -> None:
        table = Table("what", "measured", "target", "", box=None, pad_edge=False)
        for what, value, target, met in self.rows:
            mark = "" if met is None else "[green]✓[/green]" if met else "[red]✗[/red]"
            table.add_row(what, value, target, mark)
        self.console.print(table)
        self.console.print(f"[dim]{platform.platform()}, Python {sys.version.split()[0]}[/dim]")

    def write(self, path: Path) -> None:
        rows = [{"what": w, "value": v, "target": t, "met": m} for w, v, t, m in self.rows]
        path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
