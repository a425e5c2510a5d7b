"""What a sync requests of GitHub and the embedder, and what it writes: no more than the change needs."""

import pytest

from knowledge.sync.records import SyncResult
from knowledge.sync.use_cases import FilesUnreadable
from tests.integration.knowledge.conftest import Harness
from tests.integration.knowledge.histories import seen
from tests.support.github import Answer
from tests.support.wait import eventually

MOVED = 20


def write_pages(harness: Harness) -> None:
    for i in range(MOVED):
        harness.repository.write(
            f"docs/old/{i}.md", f"# Page {i}\n\n" + f"The lever {i} turns the gauge. " * 60
        )
    harness.repository.commit()


async def sync_counted(harness: Harness, **more: object) -> tuple[SyncResult, dict[str, int]]:
    """Sync; the calls by kind, ``embedder`` in texts."""
    harness.github.calls.clear()
    harness.embedder.texts = 0
    result = await harness.sync(**more)  # type: ignore[arg-type]
    return result, {**harness.github.calls, "embedder": harness.embedder.texts}


async def equals_a_fresh_sync(harness: Harness) -> bool:
    await harness.sync(harness.base("fresh"))
    return seen(await harness.content()) == seen(await harness.content("fresh"))


async def test_files_that_move_are_not_downloaded_again(harness: Harness) -> None:
    """Renamed, the old one gone in the same sync: one call for the commit, one for the tree."""
    write_pages(harness)
    await harness.sync()
    for i in range(MOVED):
        harness.repository.rename(f"docs/old/{i}.md", f"docs/new/{i}.md")
    harness.repository.commit()
    await harness.pool.execute("DELETE FROM knowledge_embedding_cache")  # what is unused for long is deleted
    result, calls = await sync_counted(harness)
    assert calls == {"commits": 1, "trees": 1, "embedder": 0}
    assert (result.added, result.removed, result.chunks_created) == (MOVED, MOVED, result.chunks_removed)
    assert await equals_a_fresh_sync(harness)


async def test_a_content_is_read_once_however_many_files_have_it(harness: Harness) -> None:
    for i in range(9):
        harness.repository.write(f"docs/copy-{i}.md", "---\ntitle: Levers\n---\nOne page, many places.")
    harness.repository.write("docs/other-format.txt", "---\ntitle: Levers\n---\nOne page, many places.")
    harness.repository.commit()
    _, calls = await sync_counted(harness)
    assert calls["raw"] == 2 + 1 + 1, "the two that are there, the copies, and the text that is no Markdown"
    harness.repository.write("docs/copy-of-empty.md", "")
    harness.repository.write("docs/copy-of-photo.md", b"\x00\x01")
    harness.repository.commit()
    await harness.sync()
    for name, content in {"copy-9": "---\ntitle: Levers\n---\nOne page, many places.", "none": ""}.items():
        harness.repository.write(f"docs/{name}.md", content)
    harness.repository.write("docs/photo.md", b"\x00\x01")
    harness.repository.commit()
    result, calls = await sync_counted(harness)
    assert (result.added, calls) == (3, {"commits": 1, "trees": 1, "embedder": 0})
    assert await harness.text_of("docs/copy-9.md") == await harness.text_of("docs/copy-0.md")
    assert await harness.text_of("docs/other-format.txt") != await harness.text_of("docs/copy-0.md")
    outcome = "SELECT outcome FROM knowledge_files WHERE knowledge_base_id = 'handbook' AND path = $1"
    assert await harness.pool.fetchval(outcome, "docs/photo.md") == "unsupported"
    assert await equals_a_fresh_sync(harness)


async def test_where_one_of_many_copies_can_not_be_had_another_serves(harness: Harness) -> None:
    for name in ("a", "b", "c"):
        harness.repository.write(f"docs/{name}.md", "The same in all.")
    harness.repository.commit()
    harness.github.fault = lambda target: Answer(403, b"") if "/docs/a.md" in target else None
    assert (await harness.sync()).added == 5
    assert await harness.text_of("docs/a.md") == ["The same in all."]
    harness.github.fault = lambda target: Answer(403, b"") if "/raw/" in target else None
    with pytest.raises(FilesUnreadable, match="5 of 5 files"):
        await harness.sync(mode="full")


@pytest.mark.parametrize("harm", ["deleted", "edited"])
async def test_rows_that_somebody_has_changed_are_not_believed(harness: Harness, harm: str) -> None:
    write_pages(harness)
    await harness.sync()
    rows = "id IN (SELECT chunk_ids[2] FROM knowledge_files WHERE path IN ('docs/old/0.md', 'docs/old/1.md'))"
    if harm == "deleted":
        await harness.pool.execute(f"DELETE FROM knowledge_embeddings WHERE {rows}")
    else:
        await harness.pool.execute(f"UPDATE knowledge_embeddings SET content = 'forged' WHERE {rows}")
    for i in range(3):
        harness.repository.rename(f"docs/old/{i}.md", f"docs/new/{i}.md")
    harness.repository.commit()
    _, calls = await sync_counted(harness)
    assert calls["raw"] == 2, "the third one's are whole"
    assert await equals_a_fresh_sync(harness)


async def test_a_failed_file_s_rows_are_not_taken_for_its_content(harness: Harness) -> None:
    """Their remaining rows aren't content, although each of them is ours."""
    paragraphs = [f"Paragraph {i}. " + "word " * 150 for i in range(4)]
    harness.repository.write("docs/long.md", "\n\n".join(paragraphs))
    harness.repository.commit()
    await harness.sync()
    await harness.pool.execute("DELETE FROM knowledge_embeddings WHERE content LIKE '%Paragraph 2%'")
    harness.github.fault = lambda target: Answer(500, b"") if "/raw/" in target else None
    with pytest.raises(FilesUnreadable):
        await harness.sync()
    harness.github.fault = None
    harness.repository.rename("docs/long.md", "docs/longer.md")
    harness.repository.commit()
    _, calls = await sync_counted(harness)
    assert calls["raw"] == 1
    assert await equals_a_fresh_sync(harness)


async def test_only_the_chunks_that_changed_are_written_and_paid_for(harness: Harness) -> None:
    """The others get their new place, without a new row in the HNSW index."""
    paragraphs = [f"Paragraph {i}. " + "word " * 150 for i in range(40)]
    harness.repository.write("docs/long.md", "\n\n".join(paragraphs))
    harness.repository.commit()
    await harness.sync()
    await harness.pool.execute("DELETE FROM knowledge_embedding_cache")
    before = await vectors_of_rows(harness)
    paragraphs.append("One more. " + "tail " * 150)
    for moved in (39, 40):
        harness.repository.write("docs/long.md", "\n\n".join(paragraphs))
        harness.repository.commit()
        result, calls = await sync_counted(harness)
        assert calls == {"commits": 1, "trees": 1, "raw": 1, "embedder": 2}
        assert (result.chunks_created, result.chunks_removed, result.chunks_moved) == (2, 1, moved)
        assert await equals_a_fresh_sync(harness)
        paragraphs.insert(0, "At the start. " + "head " * 150)
    assert len((await vectors_of_rows(harness)).items() & before.items()) == 38


async def test_the_rows_of_a_failed_file_are_told_their_place_when_it_can_be_read(harness: Harness) -> None:
    """What was left of a file is just what it has now: the ids are the same, the places are not."""
    paragraphs = [f"Paragraph {i}. " + "word " * 193 for i in range(4)]
    harness.repository.write("docs/long.md", "\n\n".join(paragraphs))
    harness.repository.commit()
    base = harness.base(chunkSize=990, chunkOverlap=0)
    await harness.sync(base)
    assert len(await harness.text_of("docs/long.md")) == 4
    await harness.pool.execute("DELETE FROM knowledge_embeddings WHERE content LIKE '%Paragraph 1%'")
    harness.github.fault = lambda target: Answer(500, b"") if "/raw/" in target else None
    with pytest.raises(FilesUnreadable):
        await harness.sync(base)
    harness.github.fault = None
    harness.repository.write("docs/long.md", "\n\n".join([paragraphs[0], *paragraphs[2:]]))
    harness.repository.commit()
    result = await harness.sync(base)
    assert (result.chunks_created, result.chunks_removed, result.chunks_moved) == (0, 0, 3)
    await harness.sync(harness.base("fresh", chunkSize=990, chunkOverlap=0))
    assert seen(await harness.content()) == seen(await harness.content("fresh"))


async def test_an_update_of_metadata_leaves_the_indexes_alone(harness: Harness) -> None:
    """Postgres counts it as "heap only": there is room on each page for another version of its rows."""
    paragraphs = [f"Paragraph {i}. " + "word " * 150 for i in range(40)]
    harness.repository.write("docs/long.md", "\n\n".join(paragraphs))
    harness.repository.commit()
    await harness.sync()
    harness.repository.write("docs/long.md", "\n\n".join([*paragraphs, "One more. " + "tail " * 150]))
    harness.repository.commit()
    await harness.sync()

    async def told() -> bool:
        row = await harness.pool.fetchrow(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'knowledge_embeddings'"
        )
        return row is not None and tuple(row) == (39, 39)

    assert await eventually(told)


async def vectors_of_rows(harness: Harness) -> dict[object, object]:
    """Vectors by id: what a row that only moved keeps."""
    return {row[0]: row[4] for row in await harness.content() if '"docs/long.md"' in row[3]}
