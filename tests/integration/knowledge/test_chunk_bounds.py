"""A base has a bound, and so has the transaction that writes it."""

from dataclasses import replace

import pytest

from knowledge.sync.reading import TooManyChunks
from tests.integration.knowledge.conftest import Harness


async def test_a_sync_that_would_exceed_the_bound_fails_and_changes_nothing(harness: Harness) -> None:
    await harness.sync()
    before, commit = await harness.content(), await harness.commit_of()
    embedded = harness.embedder.texts
    deps = replace(harness.deps, max_chunks=len(before) + 2)
    for number in range(3):
        harness.repository.write(f"docs/more{number}.md", f"# More {number}\n\nText.")
    harness.repository.commit()
    with pytest.raises(TooManyChunks, match="MAX_CHUNKS_PER_BASE"):
        await harness.sync(deps=deps)
    assert (await harness.content(), await harness.commit_of()) == (before, commit)
    assert harness.embedder.texts == embedded, "nothing was paid for"
    error = await harness.pool.fetchval("SELECT error FROM knowledge_syncs ORDER BY created_at DESC LIMIT 1")
    assert "MAX_CHUNKS_PER_BASE" in error
    harness.repository.remove("docs/more0.md")
    harness.repository.commit()
    await harness.sync(deps=deps)
    assert len(await harness.content()) == len(before) + 2


async def test_copies_of_one_file_count_each(harness: Harness) -> None:
    for number in range(5):
        harness.repository.write(f"docs/copy{number}.md", "# The same\n\nText.")
    harness.repository.commit()
    with pytest.raises(TooManyChunks):
        await harness.sync(deps=replace(harness.deps, max_chunks=5))


async def test_files_without_chunks_count_too(harness: Harness) -> None:
    for number in range(6):
        harness.repository.write(f"docs/empty{number}.md", " " * number)
    harness.repository.commit()
    with pytest.raises(TooManyChunks, match="more than 6 files"):
        await harness.sync(deps=replace(harness.deps, max_chunks=6))


async def test_a_larger_overlap_of_an_earlier_release_is_taken_for_half(harness: Harness) -> None:
    await harness.sync(harness.base(chunkSize=100, chunkOverlap=90))
    await harness.pool.execute("UPDATE knowledge_bases SET chunk_overlap = 90")
    rows = await harness.pool.fetchval("SELECT count(*) FROM knowledge_embeddings")
    assert (await harness.sync(harness.base(chunkSize=100, chunkOverlap=90), mode="full")).chunks_created == 0
    await harness.sync(harness.base("half", chunkSize=100, chunkOverlap=50))
    half = await harness.pool.fetchval(
        "SELECT count(*) FROM knowledge_embeddings WHERE knowledge_base_id = 'half'"
    )
    assert rows == half
