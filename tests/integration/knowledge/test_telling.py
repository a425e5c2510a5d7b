"""Bases of before the facts had descriptions are told of once, whatever the number of processes."""

import asyncio
import json

from common.postgres import Pool, transaction
from knowledge.bases.records import KnowledgeBase
from knowledge.registry.registration import register
from knowledge.registry.telling import tell
from tests.integration.knowledge.conftest import Harness

FACTS = "SELECT subject, sequence, data FROM outbox ORDER BY subject, sequence"


def base(id: str) -> KnowledgeBase:
    return KnowledgeBase(
        id, "B", "About it.", "github:o/r@main", "1", (".md",), (), (), 1000, 200, None, "api", "ann", False
    )


async def told(pool: Pool) -> list[tuple[str, int, int | None, str | None]]:
    rows = [(row["subject"], row["sequence"], json.loads(row["data"])) for row in await pool.fetch(FACTS)]
    return [(subject, sequence, d.get("revision"), d.get("description")) for subject, sequence, d in rows]


async def test_each_base_of_before_is_told_of_once(harness: Harness) -> None:
    pool = harness.pool
    async with transaction(pool) as connection:
        for id in ("new", "old", "older"):
            await register(connection, base(id))
    assert await tell(pool) == 0
    await pool.execute("UPDATE knowledge_bases SET told = false WHERE id <> 'new'")
    assert sum(await asyncio.gather(*(tell(pool) for _ in range(4)))) == 2
    assert await tell(pool) == 0
    assert await told(pool) == [
        ("new", 1, 1, "About it."),
        ("old", 1, 1, "About it."),
        ("old", 2, 2, "About it."),
        ("older", 1, 1, "About it."),
        ("older", 2, 2, "About it."),
    ]
