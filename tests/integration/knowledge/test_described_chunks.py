"""What chunks say of the file that they are from, and what that costs when it changes."""

import hashlib
from typing import Any

from knowledge.embeddings.hashing import HashingEmbedder
from knowledge.embeddings.minilm import MiniLmEmbedder
from knowledge.windows import Window
from tests.integration.knowledge.conftest import CountingEmbedder, Harness

GUIDE = """---
title: Levers
tags: [red, blue]
date: 2026-01-02
draft: ""
---
Pull slowly.

## On the left

It sticks.
"""


async def described(harness: Harness, path: str) -> list[dict[str, Any]]:
    rows = await harness.pool.fetch(
        "SELECT metadata FROM knowledge_embeddings WHERE metadata->>'sourceFile' = $1 "
        "ORDER BY (metadata->>'chunkIndex')::int",
        path,
    )
    return [row["metadata"] for row in rows]


async def write(harness: Harness, path: str, text: str) -> None:
    harness.repository.write(path, text)
    harness.repository.commit()


async def test_a_chunk_has_its_title_headings_and_front_matter(harness: Harness) -> None:
    await write(harness, "docs/guide.md", GUIDE + "word " * 300)
    await write(harness, "docs/plain.txt", "Just words.")
    await harness.sync()
    first, second = await described(harness, "docs/guide.md")
    assert first == {
        "sourceFile": "docs/guide.md",
        "chunkIndex": 0,
        "totalChunks": 2,
        "title": "Levers",
        "headings": ["Levers"],
        "frontMatter": {"title": "Levers", "tags": ["red", "blue"], "date": "2026-01-02"},
    }
    assert second["headings"] == ["Levers", "On the left"]
    [plain] = await described(harness, "docs/plain.txt")
    assert plain == {"sourceFile": "docs/plain.txt", "chunkIndex": 0, "totalChunks": 1}


async def test_what_is_embedded_begins_with_title_and_headings_and_what_is_stored_does_not(
    harness: Harness,
) -> None:
    await write(harness, "docs/guide.md", "# Levers\n\n## Left\n\nIt sticks.")
    await harness.sync()
    assert await harness.text_of("docs/guide.md") == ["# Levers\n\n## Left\n\nIt sticks."]
    embedded = "Levers\n\n# Levers\n\n## Left\n\nIt sticks."
    assert await harness.pool.fetchval(
        "SELECT count(*) FROM knowledge_embedding_cache WHERE content_hash = $1",
        hashlib.sha256(embedded.encode()).digest(),
    )
    [[vector]] = await harness.pool.fetch(
        "SELECT embedding::text FROM knowledge_embeddings WHERE metadata->>'sourceFile' = 'docs/guide.md'"
    )
    [expected] = await HashingEmbedder().embed([embedded])
    stored = [float(number) for number in vector.strip("[]").split(",")]
    assert (
        stored == [float(number) for number in expected]
        or max(abs(one - other) for one, other in zip(stored, expected, strict=True)) < 1e-6
    )


async def test_a_renamed_file_costs_no_embedding_and_keeps_what_its_chunks_say(harness: Harness) -> None:
    await write(harness, "docs/guide.md", GUIDE + "word " * 300)
    await harness.sync()
    before = await described(harness, "docs/guide.md")
    await harness.pool.execute("TRUNCATE knowledge_embedding_cache")
    harness.embedder.texts = 0
    harness.repository.rename("docs/guide.md", "docs/moved.md")
    harness.repository.commit()
    result = await harness.sync()
    assert (result.chunks_created, harness.embedder.texts) == (2, 0)
    after = await described(harness, "docs/moved.md")
    assert after == [row | {"sourceFile": "docs/moved.md"} for row in before]


async def test_front_matter_that_changes_is_told_without_embedding_anything(harness: Harness) -> None:
    await write(harness, "docs/guide.md", GUIDE)
    await harness.sync()
    harness.embedder.texts = 0
    await write(harness, "docs/guide.md", GUIDE.replace("blue", "green"))
    await harness.sync()
    [row] = await described(harness, "docs/guide.md")
    assert row["frontMatter"]["tags"] == ["red", "green"]
    assert harness.embedder.texts == 0


async def test_a_chunk_that_moves_keeps_what_it_says(harness: Harness) -> None:
    body = "".join(f"## Part {number}\n\n{'word ' * 190}\n\n" for number in range(4))
    await write(harness, "docs/guide.md", f"# Levers\n\n{body}")
    await harness.sync()
    before = await described(harness, "docs/guide.md")
    await write(harness, "docs/guide.md", f"# Levers\n\n{body}## Last\n\n{'text ' * 190}")
    result = await harness.sync()
    after = await described(harness, "docs/guide.md")
    assert result.chunks_moved == len(before)
    assert len(after) == len(before) + 1
    assert [row["headings"] for row in after[:-1]] == [row["headings"] for row in before]
    assert {row["totalChunks"] for row in after} == {len(after)}


async def test_another_window_makes_every_row_again(harness: Harness) -> None:
    class Short(CountingEmbedder):
        window: Window | None = MiniLmEmbedder.window

    await write(harness, "docs/code.md", "```\n" + "call(a, b, [1]); // x\n" * 40 + "```\n")
    await harness.sync()
    assert (await harness.sync()).type == "skipped"
    assert len(await harness.text_of("docs/code.md")) == 1
    deps = harness.with_embedder(Short())
    assert (await harness.sync(deps=deps)).type == "full"
    assert len(await harness.text_of("docs/code.md")) > 1
