"""Turns: what one costs beside LangGraph's checkpoints of the same, and beside a shorter history."""

from benchmarks import turns_cost
from benchmarks.report import Report
from benchmarks.world import World


async def run(world: World, report: Report) -> None:
    """Report the costs of turns."""
    await turns_cost.run(world, report)
