"""What a sync promises, and each failure of the Node application's sync that it must not repeat."""

import asyncio
import hashlib
import json
from itertools import groupby
from typing import Any

import pytest

from common.errors import PermanentError
from knowledge.content.cache import repository as cache_repository
from knowledge.content.lease import BaseBusy, hold_base
from knowledge.sync.records import SyncResult
from tests.integration.knowledge.conftest import CountingEmbedder, Harness
from tests.support.github import Answer
from tests.support.wait import eventually


async def test_a_first_sync_is_full_and_a_second_changes_nothing(harness: Harness) -> None:
    first = await harness.sync()
    rows = await harness.content()
    sha = harness.repository.git("rev-parse", "HEAD")
    assert first == SyncResult("full", sha, added=2, chunks_created=len(rows))
    assert await harness.commit_of() == sha
    levers = {"sourceFile": "docs/deep/levers.md", "title": "Levers", "headings": ["Levers"]}
    start = {"sourceFile": "docs/start.md", "title": "Start", "headings": ["Start"]}
    assert [json.loads(row[3]) for row in rows] == [
        *(levers | {"chunkIndex": index, "totalChunks": 3} for index in range(3)),
        start | {"chunkIndex": 0, "totalChunks": 1},
    ]
    harness.github.calls.clear()
    assert await harness.sync() == SyncResult("skipped", sha)
    assert harness.github.calls == {"commits": 1}, "one call says that nothing has changed"
    assert harness.embedder.texts == len(rows)
    assert await harness.content() == rows


async def test_only_what_changed_is_read_embedded_and_written(harness: Harness) -> None:
    await harness.sync()
    before = await harness.content()
    harness.repository.write("docs/start.md", "# Start\n\nPress the red button to begin.")
    harness.repository.write("docs/new.md", "A new page.")
    sha = harness.repository.commit()
    harness.github.calls.clear()
    harness.embedder.texts = 0
    result = await harness.sync()
    assert result == SyncResult("incremental", sha, added=1, modified=1, chunks_created=2, chunks_removed=1)
    assert harness.github.calls == {"commits": 1, "trees": 1, "raw": 2}
    assert harness.embedder.texts == 2
    after = await harness.content()
    assert len(set(before) & set(after)) == 3, "rows of unchanged files are the very same"
    assert await harness.text_of("docs/start.md") == ["# Start\n\nPress the red button to begin."]


async def test_a_renamed_file_leaves_its_old_chunks_behind_and_costs_no_embedding(harness: Harness) -> None:
    await harness.sync()
    harness.repository.rename("docs/deep/levers.md", "docs/handles.md")
    harness.repository.commit()
    harness.embedder.texts = 0
    result = await harness.sync()
    assert (result.added, result.removed, result.chunks_created) == (1, 1, 3)
    assert await harness.text_of("docs/deep/levers.md") == []
    assert len(await harness.text_of("docs/handles.md")) == 3
    assert harness.embedder.texts == 0, "the content is known already"


@pytest.mark.large
async def test_more_than_300_changed_files_are_all_seen(harness: Harness) -> None:
    for i in range(350):
        harness.repository.write(f"docs/many/{i}.md", f"Page {i}.")
    harness.repository.commit()
    await harness.sync()
    for i in range(350):
        harness.repository.write(f"docs/many/{i}.md", f"Page {i}, second edition.")
    harness.repository.commit()
    result = await harness.sync()
    assert result.modified == 350
    contents = {row[2] for row in await harness.content()}
    assert {f"Page {i}, second edition." for i in range(350)} <= contents


async def test_a_neighbouring_folder_is_not_taken_in(harness: Harness) -> None:
    await harness.sync()
    assert await harness.text_of("docs-old/start.md") == []


async def test_the_same_file_twice_is_stored_once(harness: Harness) -> None:
    await harness.sync()
    rows = await harness.content()
    for mode in ("full", "full", "incremental"):
        await harness.sync(mode=mode)
    assert await harness.content() == rows


async def test_files_are_read_at_the_recorded_commit(harness: Harness) -> None:
    """A push in the middle of a sync belongs to the next one."""
    pushed = False

    def push(target: str) -> Answer | None:
        nonlocal pushed
        if "/raw/" in target and not pushed:
            pushed = True
            harness.repository.write("docs/start.md", "Pushed meanwhile.")
            harness.repository.write("docs/deep/levers.md", "Pushed meanwhile.")
            harness.repository.commit()
        return None

    sha = harness.repository.git("rev-parse", "HEAD")
    harness.github.fault = push
    result = await harness.sync()
    assert pushed
    assert result.sha == sha
    assert await harness.text_of("docs/start.md") == ["# Start\n\nPress the green button to begin."]


async def test_readers_see_the_old_state_or_the_new_one(harness: Harness) -> None:
    """Full syncs that replace every row, beside a reader that looks as often as it can."""
    await harness.sync()
    states: set[tuple[Any, ...]] = set()
    done = asyncio.Event()

    async def read() -> int:
        reads = 0
        while not done.is_set():
            rows = await harness.content()
            models = await harness.pool.fetch("SELECT DISTINCT model FROM knowledge_indexes")
            assert len(models) == 1
            states.add(tuple(row[2] for row in rows))
            reads += 1
        return reads

    reader = asyncio.create_task(read())
    expected = {tuple(row[2] for row in await harness.content())}
    for i in range(5):
        harness.repository.write("docs/start.md", f"Edition {i}.")
        harness.repository.write("docs/deep/levers.md", f"Edition {i}. " * 120)
        harness.repository.commit()
        await harness.sync(deps=harness.with_embedder(CountingEmbedder(f"model-{i}")))
        expected.add(tuple(row[2] for row in await harness.content()))
    done.set()
    assert await reader > 10
    assert states <= expected, "no mixture, and never empty"


async def test_another_model_replaces_every_embedding_at_once(harness: Harness) -> None:
    await harness.sync()
    before = await harness.content()
    other = CountingEmbedder("other-model")
    result = await harness.sync(deps=harness.with_embedder(other))
    after = await harness.content()
    assert result.type == "full"
    assert other.texts == len(before)
    assert not {row[0] for row in before} & {row[0] for row in after}
    assert [row[2] for row in before] == [row[2] for row in after]


async def test_rows_of_the_node_application_are_replaced_in_one_step(harness: Harness) -> None:
    vector = "[" + ",".join(["0.1"] * 1536) + "]"
    for i in range(3):
        await harness.pool.execute(
            "INSERT INTO knowledge_embeddings (knowledge_base_id, version, content, embedding, metadata) "
            "VALUES ($1, $2, $3, $4::text::vector, $5)",
            "handbook",
            "latest",
            f"shifted tail {i}",
            vector,
            {"sourceFile": "docs/start.md", "chunkIndex": i, "totalChunks": 3},
        )
    result = await harness.sync()
    assert result.chunks_removed == 3
    assert await harness.text_of("docs/start.md") == ["# Start\n\nPress the green button to begin."]


async def test_rows_that_somebody_deleted_come_back(harness: Harness) -> None:
    await harness.sync()
    rows = await harness.content()
    await harness.pool.execute(
        "DELETE FROM knowledge_embeddings WHERE metadata->>'sourceFile' = 'docs/start.md'"
    )
    assert (await harness.sync()).type == "incremental"
    assert [row[:5] for row in await harness.content()] == [row[:5] for row in rows]


async def test_two_syncs_of_one_base_never_run_together(harness: Harness) -> None:
    async with hold_base(harness.pool, "handbook", "another process", 3):
        with pytest.raises(BaseBusy):
            await harness.sync()
        assert (await harness.sync(harness.base("other"))).type == "full", "other bases are not held up"
    assert (await harness.sync()).type == "full"
    results = await asyncio.gather(*(harness.sync(mode="full") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(result, SyncResult) for result in results) >= 1
    assert all(isinstance(result, SyncResult | BaseBusy) for result in results)


async def test_facts_tell_of_each_change_in_order(harness: Harness) -> None:
    await harness.sync()
    await harness.sync()
    facts = await harness.facts()
    assert [fact["sequence"] for fact in facts] == list(range(1, len(facts) + 1))
    types = [fact["type"].removeprefix("knowledge.").removesuffix(".v1") for fact in facts]
    # A sync that takes longer than a second tells of its progress more than once.
    assert [kind for kind, _ in groupby(types)] == [
        "base.updated",
        "sync.started",
        "sync.progressed",
        "sync.completed",
        "sync.started",
        "sync.completed",
    ]
    completed, second = (fact["data"] for fact in facts if fact["type"] == "knowledge.sync.completed.v1")
    assert completed["syncType"] == "full"
    assert completed["added"] == 2
    assert completed["chunksCreated"] == 4
    assert second["syncType"] == "skipped"


async def test_a_base_that_settings_declare_is_not_redefined_by_a_job(harness: Harness) -> None:
    from dataclasses import replace

    from knowledge.registry.registration import register, register_from_job

    declared = replace(harness.base(), origin="settings", name="Handbook")
    async with harness.pool.acquire() as connection, connection.transaction():
        await register(connection, declared)
    job = replace(harness.base(), source="https://github.com/evil/other")
    assert await register_from_job(harness.pool, job) == declared
    known = harness.base("from-job")
    await register_from_job(harness.pool, known)
    newer = replace(known, version="2.0")
    assert await register_from_job(harness.pool, newer) == newer


async def test_versions_stand_side_by_side(harness: Harness) -> None:
    await harness.sync()
    await harness.sync(harness.base(version="2.0"))
    versions = {row[1] for row in await harness.content()}
    assert versions == {"latest", "2.0"}


async def test_a_local_folder_is_synced_and_records_a_digest(harness: Harness) -> None:
    folder = harness.repository.path / "docs"
    base = harness.base("local", source=folder.as_uri())
    result = await harness.sync(base)
    assert len(result.sha) == 40
    assert await harness.commit_of("local") == result.sha
    assert await harness.text_of("start.md", "local") != []
    assert (await harness.sync(base)).type == "skipped"
    (folder / "start.md").unlink()
    again = await harness.sync(base)
    assert again.removed == 1
    assert again.sha != result.sha
    with pytest.raises(PermanentError, match="LOCAL_SOURCES_ROOT"):
        await harness.sync(harness.base("outside", source="file:///etc"))


async def test_unused_embeddings_are_forgotten_and_used_ones_kept(harness: Harness) -> None:
    from datetime import timedelta

    await harness.sync()
    await harness.pool.execute("UPDATE knowledge_embedding_cache SET used_at = now() - interval '40 days'")
    used = hashlib.sha256(b"Start\n\n# Start\n\nPress the green button to begin.").digest()
    async with harness.pool.acquire() as connection:
        await cache_repository.update_cache_used(connection, harness.embedder.model, [used])
        await cache_repository.delete_cached(connection, timedelta(days=30))
    assert [
        row[0] for row in await harness.pool.fetch("SELECT content_hash FROM knowledge_embedding_cache")
    ] == [used]


async def test_a_killed_process_s_base_can_be_synced_as_soon_as_its_lease_is_over(harness: Harness) -> None:
    await harness.pool.execute(
        "INSERT INTO leases (name, owner, epoch, expires_at) "
        "VALUES ('knowledge.sync:handbook', 'dead', 7, clock_timestamp() + interval '0.5 s')"
    )

    async def synced() -> bool:
        try:
            return (await harness.sync()).type == "full"
        except BaseBusy:
            return False

    assert await eventually(synced)
