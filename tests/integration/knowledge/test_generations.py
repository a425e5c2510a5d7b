"""Another model or chunker replaces every row of a base. Readers see the old rows or the new ones, and a
process that is killed meanwhile leaves the old ones and nothing to pay for again."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from common.errors import Conflict
from tests.integration.knowledge.conftest import CountingEmbedder, Harness
from tests.support.embeddings import EmbeddingsApi, serve_embeddings
from tests.support.knowledge import Jobs, fetch, knowledge_service
from tests.support.searching import search
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(120)

PAGES = 200
NODE_SEARCH = "SELECT id FROM knowledge_embeddings WHERE knowledge_base_id = $1"
"""The Node application's condition: it doesn't request a version."""
ROWS = (
    "SELECT id, content, metadata::text, embedding::text FROM knowledge_embeddings "
    "WHERE knowledge_base_id = 'guide' ORDER BY id"
)
WRITING = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
    "AND query LIKE 'COPY %knowledge_embeddings%' AND state = 'active'"
)


async def _watch_ids(harness: Harness, during: Callable[[], Awaitable[Any]]) -> list[frozenset[Any]]:
    """Every set of ids that a reader saw while ``during`` ran, in order, without repetitions."""
    seen: list[frozenset[Any]] = []
    task = asyncio.ensure_future(during())
    while True:
        done = task.done()
        ids = frozenset(row["id"] for row in await harness.pool.fetch(NODE_SEARCH, "handbook"))
        if not seen or seen[-1] != ids:
            seen.append(ids)
        if done:
            await task
            return seen


@pytest.mark.parametrize("what", ["model", "chunker", "chunk size"])
async def test_a_new_generation_appears_at_once(
    harness: Harness, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(PAGES):
        harness.repository.write(f"docs/{i}.md", f"Page {i} of many.\n\n" + f"The lever {i} turns. " * 30)
    harness.repository.commit()
    await harness.sync()
    deps = harness.deps
    base = harness.base()
    if what == "model":
        deps = harness.with_embedder(CountingEmbedder("another"))
    elif what == "chunker":
        monkeypatch.setattr("knowledge.content.indexes.rules.CHUNKER", "windows-next")
    else:
        base = replace(base, chunk_size=300, chunk_overlap=50)
    old, new = await _watch_ids(harness, lambda: harness.sync(base, deps=deps))
    assert old
    assert new
    assert not old & new, "not one row of the old generation is left, nor was one of the new seen with it"


async def test_a_search_is_of_one_model(harness: Harness) -> None:
    """The new model's searches are refused until its rows exist, and then find them all."""
    for i in range(PAGES):
        harness.repository.write(f"docs/{i}.md", f"Page {i} of many, all about levers.")
    harness.repository.commit()
    await harness.sync()
    embedder = CountingEmbedder("another")
    syncing = asyncio.ensure_future(harness.sync(deps=harness.with_embedder(embedder)))
    answers: list[int] = []
    while not (answers and syncing.done() and answers[-1]):
        try:
            hits = await search(harness.pool, embedder, "handbook", "levers", 50)
            answers.append(len(hits))
        except Conflict:
            answers.append(0)
    await syncing
    assert answers[0] == 0
    assert sorted(answers) == answers, "once answered, always answered"
    assert set(answers) == {0, 50}, "never some of them"


async def test_a_kill_in_a_change_of_model_leaves_the_old_rows_and_loses_no_embedding(
    database: str, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    texts = {f"Page {i}: the lever number {i} turns." for i in range(600)}
    for i, text in enumerate(sorted(texts)):
        (folder / f"{i}.md").write_text(text)
    data = {"knowledgeBaseId": "guide", "version": "latest", "source": folder.as_uri()}
    jobs = Jobs(redis)

    async with serve_embeddings() as api:

        def service(model: str, name: str) -> Any:
            roots = {"LOCAL_SOURCES_ROOT": str(tmp_path), "SYNC_LOCK_SECONDS": "1"}
            batches = {"EMBEDDINGS_BATCH_SIZE": "32", "EMBEDDINGS_CONCURRENCY": "2"}
            environment = api.environment(model, **batches, **roots)
            return knowledge_service(database, redis_url, tmp_path / name, **environment)

        async with service("old", "0"):
            assert (await jobs.sync(data))["state"] == "completed"
        old = await fetch(database, ROWS)
        assert len(old) == len(texts)

        for number, moment in enumerate((_paid_for_half(api, texts), _writing(database))):
            async with service("new", f"killed-{number}") as killed:
                await jobs.add(data)
                await eventually(moment, timeout=30, interval=0.002)
                assert await killed.kill() != 0
            assert await fetch(database, ROWS) == old, "the old generation, all of it"
        all_bought = api.texts_of("new")

        async with service("new", "last"):
            await jobs.add(data)

            async def renewed() -> bool:
                rows = await fetch(database, ROWS)
                return len(rows) == len(texts) and not {row["id"] for row in rows} & {
                    row["id"] for row in old
                }

            await eventually(renewed, timeout=40)
        bought = api.texts_of("new")
    assert bought == all_bought, "the second kill came after the last purchase"
    assert set(bought) == texts
    assert bought.total() <= len(texts) + 2 * 32, "but for those on their way at the first kill, none twice"
    assert {row["content"] for row in await fetch(database, ROWS)} == texts


def _paid_for_half(api: EmbeddingsApi, texts: set[str]) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return len(api.texts_of("new")) > len(texts) / 2

    return check


def _writing(database: str) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return bool(await fetch(database, WRITING))

    return check
