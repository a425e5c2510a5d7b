"""``make bench`` (ONLY=append,latency): run benchmarks and print each result with its target."""

import asyncio
import importlib
import logging
import os
import sys
from pathlib import Path

import structlog

from benchmarks.report import Report
from benchmarks.world import world

ALL = (
    "append",
    "latency",
    "http",
    "poison",
    "pages",
    "sync",
    "sync_memory",
    "backlog",
    "search_messages",
    "search_speed",
    "turns",
)
RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    """Return exit status 1 if a target was missed."""
    wanted = [name for name in os.environ.get("ONLY", "").split(",") if name] or list(ALL)
    report = Report()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    logging.disable(logging.INFO)
    for name in wanted:
        module = importlib.import_module(f"benchmarks.{name}")
        with world() as servers:
            asyncio.run(module.run(servers, report))
    report.print()
    report.write(RESULTS)
    return 1 if report.missed() else 0


if __name__ == "__main__":
    sys.exit(main())
