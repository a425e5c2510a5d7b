"""What people see of a sync while it writes rows, which takes longest."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from knowledge.history import repository as history_repository
from knowledge.history.wire import sync_json
from knowledge.registry.registration import register_from_job
from knowledge.sync import copying, reporting
from knowledge.sync.progress import Progress
from knowledge.sync.records import SyncRun
from knowledge.sync.use_cases import sync_base
from tests.integration.knowledge.conftest import Harness
from tests.support.wait import eventually

GATE = 4711
WAIT_AT_THE_FOURTH_CHUNK = f"""
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({GATE});
    RETURN NEW;
END $$;
CREATE TRIGGER gate BEFORE INSERT ON knowledge_embeddings FOR EACH ROW
    WHEN (NEW.metadata ->> 'sourceFile' = 'docs/start.md') EXECUTE FUNCTION wait_at_the_gate();
"""


async def test_the_writing_of_rows_is_told_while_readers_see_none_of_them(
    harness: Harness, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "ROWS_A_COPY", 2)
    monkeypatch.setattr(reporting, "INTERVAL_SECONDS", 0.02)
    base = await register_from_job(harness.pool, harness.base())
    told: list[dict[str, Any]] = []

    async def watch(progress: Progress) -> None:
        told.append(progress.to_json())

    async def shown() -> dict[str, Any]:
        async with harness.pool.acquire() as connection:
            records = await history_repository.list_syncs(connection, base.id, 9)
        return dict(sync_json(records[0])) if records else {"progress": None}

    async def writing() -> dict[str, Any] | None:
        sync = await shown()
        latest = [sync["progress"] or {}, *told[-1:]]
        there = all(progress.get("rowsWritten") == 3 and progress["secondsLeft"] for progress in latest)
        return sync if there else None

    keeper = await asyncpg.connect(database)
    try:
        await keeper.execute(WAIT_AT_THE_FOURTH_CHUNK)
        await keeper.execute(f"SELECT pg_advisory_lock({GATE})")
        run = SyncRun(uuid4(), base, "incremental", "job", "1")
        syncing = asyncio.create_task(sync_base(harness.deps, run, watch))
        sync = await eventually(writing)
        fact = (await harness.facts())[-1]
        assert sync is not None
        assert fact["type"] == "knowledge.sync.progressed.v1"
        for progress in (sync["progress"], fact["data"], told[-1]):
            assert (progress["phase"], progress["rowsWritten"], progress["rowsToWrite"]) == ("writing", 3, 4)
            assert (progress["filesRead"], progress["chunksEmbedded"]) == (2, 4)
            assert progress["rate"] > 0
            assert progress["secondsLeft"] > 0, "it is not over yet"
        assert sync["state"] == "running"
        assert await harness.content() == []
    finally:
        await keeper.close()
    assert (await syncing).chunks_created == 4
    sync = await shown()
    for progress in (sync["progress"], told[-1]):
        assert (progress["phase"], progress["rowsWritten"], progress["secondsLeft"]) == ("writing", 4, 0)
    begun = next(progress for progress in told if progress["phase"] == "writing")
    assert (begun["rowsWritten"], begun["secondsLeft"]) == (0, None), "the longest part is yet to come"
    facts = await harness.facts()
    assert facts[-1]["type"] == "knowledge.sync.completed.v1"
    assert [fact["sequence"] for fact in facts] == list(range(1, len(facts) + 1))
