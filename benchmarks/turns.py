"""Turns: how soon their pieces are seen, what open streams cost, and what a turn costs."""

import os
from types import ModuleType

from benchmarks import turns_cost, turns_open, turns_relayed
from benchmarks.report import Report
from benchmarks.world import World

PARTS: dict[str, ModuleType] = {"relayed": turns_relayed, "open": turns_open, "cost": turns_cost}


async def run(world: World, report: Report) -> None:
    """Run all parts, or those of ``PARTS`` in the environment."""
    for name in os.environ.get("PARTS", ",".join(PARTS)).split(","):
        await PARTS[name].run(world, report)
