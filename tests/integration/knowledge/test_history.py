"""The history of syncs: what it keeps, how it is requested, and what a base's own view shows of it."""

from datetime import timedelta
from typing import Any

import pytest

from common.errors import TransientError
from knowledge.bases import repository as bases
from knowledge.history import use_cases as history
from knowledge.queue.repository import LIST_UNFINISHED
from knowledge.registry.registration import register_from_job
from knowledge.registry.wire import view_json
from knowledge.requests import use_cases as requests
from tests.integration.knowledge.conftest import CountingEmbedder, Harness

INSERT = """
INSERT INTO knowledge_syncs (knowledge_base_id, reason, job_id, status, created_at, error)
SELECT $1, 'http', 'job', $2, now() - $3::interval - number * interval '1 minute', 'nr ' || number
FROM generate_series(1, $4::int) AS number
"""
MONTHS = timedelta(days=100)


async def test_old_syncs_are_forgotten_but_for_the_newest_of_each_base(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BATCH", 7)
    pool = harness.pool
    for base_id in ("busy", "quiet", "new"):
        await register_from_job(pool, harness.base(base_id))
    await pool.execute(INSERT, "busy", "completed", timedelta(days=1), 15)
    await pool.execute(INSERT, "busy", "failed", MONTHS, 30)
    await pool.execute(INSERT, "busy", "running", 2 * MONTHS, 1)
    await pool.execute(INSERT, "quiet", "completed", MONTHS, 20)
    await pool.execute(INSERT, "new", "completed", timedelta(days=1), 30)
    assert await history.forget_syncs(pool, timedelta(days=90)) == 25
    rows = await pool.fetch("SELECT knowledge_base_id AS id, status, error FROM knowledge_syncs")
    left = {base_id: [row for row in rows if row["id"] == base_id] for base_id in ("busy", "quiet", "new")}
    assert {base_id: len(syncs) for base_id, syncs in left.items()} == {"busy": 21, "quiet": 20, "new": 30}
    assert [row["status"] for row in left["busy"]].count("running") == 1, "it has not ended"
    failed = {row["error"] for row in left["busy"] if row["status"] == "failed"}
    assert failed == {f"nr {number}" for number in range(1, 6)}, "the newest of the old ones"
    assert await history.forget_syncs(pool, timedelta(days=90)) == 0


async def test_the_unfinished_are_found_without_reading_the_history(harness: Harness) -> None:
    await register_from_job(harness.pool, harness.base())
    await harness.pool.execute(INSERT, "handbook", "completed", MONTHS, 3000)
    await harness.pool.execute(INSERT, "handbook", "running", MONTHS, 2)
    await harness.pool.execute("ANALYZE knowledge_syncs")
    plan = await harness.pool.fetch(f"EXPLAIN {LIST_UNFINISHED}", timedelta(minutes=1), 200)
    assert "knowledge_syncs_unfinished_index" in "".join(row[0] for row in plan)


async def test_a_base_tells_whether_it_is_being_synced_and_what_went_wrong(harness: Harness) -> None:
    base = await register_from_job(harness.pool, harness.base())
    seen: list[tuple[str, str | None]] = []

    async def look() -> None:
        async with harness.pool.acquire() as connection:
            [view] = await bases.list_bases(connection, "ada")
        shown = view_json(view)
        seen.append((shown["state"], shown["lastError"]))

    class Looking(CountingEmbedder):
        async def embed(self, *args: Any, **kwargs: Any) -> Any:
            await look()
            return await super().embed(*args, **kwargs)

    await look()
    embedder = Looking()
    embedder.failures.append(TransientError("the embedder is away"))
    with pytest.raises(TransientError):
        await harness.sync(deps=harness.with_embedder(embedder))
    await look()
    await harness.sync(deps=harness.with_embedder(embedder))
    await look()
    async with harness.pool.acquire() as connection:
        await requests.request_sync(connection, base.id, reason="http")
    await look()
    away = "the embedder is away"
    assert seen == [
        ("idle", None),
        ("syncing", None),
        ("failed", away),
        ("syncing", away),
        ("idle", None),
        ("queued", None),
    ]
