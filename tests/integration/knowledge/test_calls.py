"""What a sync asks of GitHub and of the embedder, and what it writes: no more than the change calls for."""

import pytest

from knowledge.sync.models import SyncResult
from knowledge.sync.use_cases import FilesUnreadable
from tests.integration.knowledge.conftest import Harness
from tests.integration.knowledge.histories import seen
from tests.support.github import Answer

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
    await harness.pool.execute(
        "DELETE FROM knowledge_embedding_cache"
    )  # what is unused for long is forgotten
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
    """Its rows are of an older content than the one that moved on."""
    write_pages(harness)
    await harness.sync()
    harness.repository.write("docs/old/0.md", "A second edition.")
    harness.repository.commit()
    harness.github.fault = lambda target: Answer(500, b"") if "/raw/" in target else None
    with pytest.raises(FilesUnreadable):
        await harness.sync()
    harness.github.fault = None
    harness.repository.rename("docs/old/0.md", "docs/new/0.md")
    harness.repository.commit()
    _, calls = await sync_counted(harness)
    assert calls["raw"] == 1
    assert await harness.text_of("docs/new/0.md") == ["A second edition."]
    assert await equals_a_fresh_sync(harness)


async def test_an_edit_pays_for_what_changed_also_when_the_cache_has_forgotten(harness: Harness) -> None:
    paragraphs = [f"Paragraph {i}. " + "word " * 150 for i in range(40)]
    harness.repository.write("docs/long.md", "\n\n".join(paragraphs))
    harness.repository.commit()
    await harness.sync()
    await harness.pool.execute("DELETE FROM knowledge_embedding_cache")
    harness.repository.write("docs/long.md", "\n\n".join([*paragraphs, "One more. " + "tail " * 150]))
    harness.repository.commit()
    _, calls = await sync_counted(harness)
    assert calls == {"commits": 1, "trees": 1, "raw": 1, "embedder": 2}
