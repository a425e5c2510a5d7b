"""What a sync requests of the embedder: each text once, in full batches, while the next files are read."""

import asyncio
from typing import Any

import pytest

from common.errors import TransientError
from knowledge.sync.reading import CONTENTS_AT_ONCE
from tests.integration.knowledge.conftest import Harness

PAGES = 150


def write_pages(harness: Harness) -> None:
    for i in range(PAGES):
        harness.repository.write(f"docs/pages/{i}.md", f"Page {i % 120}.")
    harness.repository.commit()


async def test_batches_are_filled_across_files_and_hold_no_text_twice(harness: Harness) -> None:
    write_pages(harness)
    harness.embedder.batch_size = 50
    real, batches = harness.embedder.embed, []

    async def embed(texts: Any, *, urgent: bool = False, once: bool = False) -> Any:
        batches.append(list(texts))
        return await real(texts, urgent=urgent)

    harness.embedder.embed = embed  # type: ignore[method-assign]
    result = await harness.sync()
    assert result.chunks_created == PAGES + 4
    assert [len(batch) for batch in batches] == [50, 50, 24], "120 texts of pages, 4 of the two others"
    assert len({text for batch in batches for text in batch}) == 124


async def test_files_are_read_while_others_are_embedded(harness: Harness) -> None:
    write_pages(harness)
    harness.embedder.batch_size = 8
    real = harness.embedder.embed

    async def embed(texts: Any, *, urgent: bool = False, once: bool = False) -> Any:
        async with asyncio.timeout(10):
            while harness.github.calls["raw"] < CONTENTS_AT_ONCE:  # noqa: ASYNC110 - counted by another thread
                await asyncio.sleep(0.005)
        return await real(texts, urgent=urgent)

    harness.embedder.embed = embed  # type: ignore[method-assign]
    assert (await harness.sync()).chunks_created == PAGES + 4


async def test_an_embedder_that_fails_ends_the_reading_too(harness: Harness) -> None:
    write_pages(harness)
    harness.embedder.batch_size = 8
    harness.embedder.failures = [TransientError("the embedder is away")]
    tasks = asyncio.all_tasks()
    with pytest.raises(TransientError, match="away"):
        await harness.sync()
    assert not {task for task in asyncio.all_tasks() - tasks if "read" in repr(task.get_coro())}
    assert (await harness.sync()).chunks_created == PAGES + 4
