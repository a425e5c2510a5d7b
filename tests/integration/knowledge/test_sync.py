"""What a sync promises, and each failure of the Node application's sync that it must not repeat."""

import asyncio
import hashlib
import json
from typing import Any

import pytest
from prometheus_client import REGISTRY

from common.errors import NotFound, PermanentError, TakaroError, TransientError
from knowledge.content.cache import repository as cache_repository
from knowledge.content.lease import BaseBusy, hold_base
from knowledge.sync.records import SyncResult
from knowledge.sync.use_cases import FilesUnreadable
from tests.integration.knowledge.conftest import CountingEmbedder, Harness
from tests.support.github import Answer
from tests.support.wait import eventually

FILES_FAILED = "takaro_knowledge_files_failed_total"


async def test_a_first_sync_is_full_and_a_second_changes_nothing(harness: Harness) -> None:
    first = await harness.sync()
    rows = await harness.content()
    sha = harness.repository.git("rev-parse", "HEAD")
    assert first == SyncResult("full", sha, added=2, chunks_created=len(rows))
    assert await harness.commit_of() == sha
    assert [json.loads(row[3]) for row in rows] == [
        {"sourceFile": "docs/deep/levers.md", "chunkIndex": 0, "totalChunks": 3},
        {"sourceFile": "docs/deep/levers.md", "chunkIndex": 1, "totalChunks": 3},
        {"sourceFile": "docs/deep/levers.md", "chunkIndex": 2, "totalChunks": 3},
        {"sourceFile": "docs/start.md", "chunkIndex": 0, "totalChunks": 1},
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


async def test_a_failed_download_keeps_the_old_chunks_and_the_commit(harness: Harness) -> None:
    failures = REGISTRY.get_sample_value(FILES_FAILED) or 0
    await harness.sync()
    old_commit, old_text = await harness.commit_of(), await harness.text_of("docs/start.md")
    harness.repository.write("docs/start.md", "Changed, but out of reach.")
    harness.repository.write("docs/new.md", "A new page.")
    sha = harness.repository.commit()
    harness.github.fault = lambda target: Answer(500, b"oops") if "start.md" in target else None
    with pytest.raises(FilesUnreadable, match=r"1 of 3 files.*docs/start\.md.*HTTP 500"):
        await harness.sync()
    assert await harness.text_of("docs/start.md") == old_text
    assert await harness.text_of("docs/new.md") == ["A new page."], "the others are not held up"
    assert await harness.commit_of() == old_commit
    outcomes = await harness.pool.fetch(
        "SELECT path, outcome, reason FROM knowledge_files WHERE outcome = 'failed'"
    )
    assert [row["path"] for row in outcomes] == ["docs/start.md"]
    assert "HTTP 500" in outcomes[0]["reason"]
    last = (await harness.facts())[-1]
    assert last["type"] == "knowledge.sync.failed.v1"
    assert last["data"]["failedFiles"] == ["docs/start.md"]
    assert REGISTRY.get_sample_value(FILES_FAILED) == failures + 1

    harness.github.fault = None
    result = await harness.sync()
    assert (result.sha, result.modified) == (sha, 1)
    assert await harness.text_of("docs/start.md") == ["Changed, but out of reach."]
    assert await harness.commit_of() == sha
    assert (await harness.sync()).type == "skipped"


@pytest.mark.parametrize("call", ["/commits", "/git/trees/", "/raw/"])
@pytest.mark.parametrize(
    "answer", [Answer(403, b"{}"), Answer(429, b"{}"), Answer(500, b"x"), Answer(404, b"{}")]
)
async def test_a_refusal_of_github_never_empties_a_base(harness: Harness, call: str, answer: Answer) -> None:
    await harness.sync()
    before, commit = await harness.content(), await harness.commit_of()
    harness.repository.write("docs/start.md", "Changed.")
    harness.repository.commit()
    harness.github.fault = lambda target: answer if call in target else None
    for mode in ("incremental", "full"):
        with pytest.raises(TakaroError):
            await harness.sync(mode=mode)
        assert await harness.content() == before
        assert await harness.commit_of() == commit
    status = await harness.pool.fetchval(
        "SELECT status || ': ' || error FROM knowledge_syncs ORDER BY created_at DESC LIMIT 1"
    )
    assert status.startswith("failed: ")
    harness.github.fault = None
    await harness.sync()
    assert await harness.text_of("docs/start.md") == ["Changed."]


async def test_a_folder_that_has_gone_keeps_what_was_indexed(harness: Harness) -> None:
    await harness.sync()
    before = await harness.content()
    harness.repository.git("rm", "-rq", "docs")
    harness.repository.commit()
    with pytest.raises(NotFound, match="what was indexed is kept"):
        await harness.sync()
    assert await harness.content() == before


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


async def test_another_model_embeds_the_base_anew_and_at_once(harness: Harness) -> None:
    await harness.sync()
    before = await harness.content()
    other = CountingEmbedder("other-model")
    result = await harness.sync(deps=harness.with_embedder(other))
    after = await harness.content()
    assert result.type == "full"
    assert other.texts == len(before)
    assert not {row[0] for row in before} & {row[0] for row in after}
    assert [row[2] for row in before] == [row[2] for row in after]


async def test_a_failed_file_never_leaves_two_models_in_a_base(harness: Harness) -> None:
    await harness.sync()
    before = await harness.content()
    harness.github.fault = lambda target: Answer(500, b"") if "start.md" in target else None
    with pytest.raises(TransientError, match="could not be read"):
        await harness.sync(deps=harness.with_embedder(CountingEmbedder("other-model")))
    assert await harness.content() == before


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


async def test_an_embedder_that_fails_changes_nothing_and_loses_nothing_paid_for(harness: Harness) -> None:
    for i in range(80):
        harness.repository.write(f"docs/{i:02}.md", f"Page {i}.")
    harness.repository.commit()
    harness.embedder.batch_size = 16
    calls = 0
    real = harness.embedder.embed

    async def fails_at_the_fourth(texts: Any, *, urgent: bool = False) -> Any:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise TransientError("the embedder is away")
        return await real(texts, urgent=urgent)

    harness.embedder.embed = fails_at_the_fourth  # type: ignore[method-assign]
    with pytest.raises(TransientError, match="away"):
        await harness.sync()
    assert await harness.content() == []
    assert await harness.commit_of() is None
    paid = harness.embedder.texts
    assert paid > 16
    result = await harness.sync()
    assert harness.embedder.texts == result.chunks_created, "each text was embedded once"


async def test_binary_and_odd_files_fail_alone_and_visibly(harness: Harness) -> None:
    harness.repository.write("docs/image.md", b"\x89PNG\x00\x01")
    harness.repository.write("docs/latin.md", b"caf\xe9 au lait")
    harness.repository.write("docs/empty.md", "")
    harness.repository.write("docs/blank.md", " \n\n ")
    sha = harness.repository.commit()
    result = await harness.sync()
    assert result.sha == sha
    assert await harness.text_of("docs/latin.md") == ["café au lait"]
    rows = await harness.pool.fetch("SELECT path, outcome, reason FROM knowledge_files ORDER BY path")
    outcomes = {row["path"]: row["outcome"] for row in rows}
    assert outcomes["docs/image.md"] == "unsupported"
    assert outcomes["docs/empty.md"] == outcomes["docs/blank.md"] == "empty"
    assert (await harness.sync()).type == "skipped"


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
    assert [fact["type"].removeprefix("knowledge.").removesuffix(".v1") for fact in facts] == [
        "base.updated",
        "sync.started",
        "sync.progressed",
        "sync.completed",
        "sync.started",
        "sync.completed",
    ]
    completed = facts[3]["data"]
    assert completed["syncType"] == "full"
    assert completed["added"] == 2
    assert completed["chunksCreated"] == 4
    assert facts[5]["data"]["syncType"] == "skipped"


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
    used = hashlib.sha256(b"# Start\n\nPress the green button to begin.").digest()
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
