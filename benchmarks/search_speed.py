"""Search by vector: its speed over HTTP, its recall, and what its indexes cost (``PARTS`` names some)."""

import os
from types import ModuleType

from benchmarks import search_speed_http, search_speed_recall
from benchmarks.report import Report
from benchmarks.search_chunks import SIZES, Topics, fill
from benchmarks.world import World

PARTS: dict[str, tuple[ModuleType, tuple[str, ...]]] = {
    "http": (search_speed_http, tuple(SIZES)[1:]),
    "recall": (search_speed_recall, ("largest",)),
}
"""Each part, and the bases that are added for it: 50,000 chunks, then 150,000."""


async def run(world: World, report: Report) -> None:
    """Run all parts, or those of ``PARTS`` in the environment, on one database that grows."""
    topics = Topics.make()
    wanted = os.environ.get("PARTS", ",".join(PARTS)).split(",")
    left = set(wanted)
    for name, (part, bases) in PARTS.items():
        if not left:
            break
        report.progress(f"search_speed, {sum(SIZES[base] for base in bases):,} chunks more")
        await fill(world.postgres.url, topics, bases)
        if name in left:
            await part.run(world, report, topics)
            left.remove(name)
