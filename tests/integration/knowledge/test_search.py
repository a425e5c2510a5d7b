"""Search: the true neighbours, never fewer rows than there are, and never across models."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pgvector import Vector

from common.errors import Conflict, Forbidden, NotFound, PermanentError, TakaroError, TransientError
from knowledge.content.binary_codecs import register_binary
from knowledge.embeddings.minilm import MiniLmEmbedder
from knowledge.embeddings.questions import Questions
from knowledge.search.records import Mode, Question, Wanted
from knowledge.search.use_cases import Means
from knowledge.search.use_cases import search as find
from tests.integration.knowledge.conftest import CountingEmbedder, Harness
from tests.support.manual import PAGES, QUESTIONS
from tests.support.searching import search
from tests.support.wait import eventually


async def test_questions_find_the_page_that_answers_them(harness: Harness, tmp_path: Path) -> None:
    folder = tmp_path / "manual"
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / name).write_text(text)
    base = harness.base("manual", source=folder.as_uri(), extensions=[".md"])
    sources = replace(harness.deps.sources, local_roots=(folder,))
    await harness.sync(base, deps=replace(harness.deps, sources=sources))
    found = {}
    for question, page in QUESTIONS.items():
        hits = await search(harness.pool, harness.embedder, "manual", question, 5)
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert all(-1 <= score <= 1 for score in scores)
        found[question] = page in [hit.metadata["sourceFile"] for hit in hits[:2]]
    assert sum(found.values()) >= len(found) - 1, found


async def test_the_local_model_finds_what_shares_no_word(harness: Harness) -> None:
    harness.repository.write("docs/start.md", "The vehicle would not move because its engine was cold.")
    harness.repository.commit()
    embedder = MiniLmEmbedder()
    deps = harness.with_embedder(embedder)  # type: ignore[arg-type]
    await harness.sync(deps=deps)
    [hit] = await search(harness.pool, embedder, "handbook", "why did my car not start?", 1)
    await embedder.close()
    assert hit.metadata["sourceFile"] == "docs/start.md"
    assert hit.score > 0.3


async def test_a_search_with_another_model_is_refused_until_the_next_sync(harness: Harness) -> None:
    await harness.sync()
    other = CountingEmbedder("other-model")
    with pytest.raises(Conflict, match="sync it"):
        await search(harness.pool, other, "handbook", "lever", 5)
    await harness.sync(deps=harness.with_embedder(other))
    assert len(await search(harness.pool, other, "handbook", "lever", 5)) == 4
    with pytest.raises(Conflict):
        await search(harness.pool, harness.embedder, "handbook", "lever", 5)


@pytest.mark.parametrize("kind", [PermanentError, TransientError])
async def test_a_question_that_cant_be_embedded_is_no_fault_of_its_asker(
    harness: Harness, kind: type[TakaroError], monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.sync()

    async def refuse(*_: object, **__: object) -> None:
        raise kind("POST https://embedder.internal/v1: HTTP 400 key sk-...4321 of org-acme")

    monkeypatch.setattr(harness.embedder, "embed", refuse)
    with pytest.raises(TransientError) as raised:
        await search(harness.pool, harness.embedder, "handbook", "lever", 5)
    assert raised.value.reason == "Search is unavailable: the question can't be embedded now"


async def test_nobodys_refused_question_is_embedded(harness: Harness) -> None:
    private = replace(harness.base("private"), owner="ada", public=False)
    await harness.sync(private)
    embedded = harness.embedder.texts
    with pytest.raises(Forbidden):
        await search(harness.pool, harness.embedder, "private", "lever", 5, user_id="bob")
    with pytest.raises(NotFound):
        await search(harness.pool, harness.embedder, "none", "lever", 5)
    assert harness.embedder.texts == embedded
    assert await search(harness.pool, harness.embedder, "private", "lever", 5, user_id="ada")
    assert harness.embedder.texts == embedded + 1


@pytest.mark.parametrize("mode", ["hybrid", "vector", "text"])
async def test_a_search_that_takes_too_long_ends_in_postgres_too(harness: Harness, mode: Mode) -> None:
    await harness.sync()
    means = Means(harness.pool, Questions(harness.embedder, 0), seconds=0.5)
    wanted = Wanted(("handbook",), "", None, 5, None, None, harness.embedder.model)
    async with harness.pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE knowledge_embeddings, knowledge_bases")
        with pytest.raises(TransientError, match="took longer than"):
            await find(means, wanted, [Question("lever")], mode)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

        async def nobody_waits() -> bool:
            return not await other.fetchval(waiting)

        await eventually(nobody_waits)
    assert await find(replace(means, seconds=30), wanted, [Question("lever")], mode)


async def test_only_the_current_version_is_searched(harness: Harness) -> None:
    await harness.sync()
    harness.repository.write("docs/start.md", "A second edition about pulleys.")
    harness.repository.commit()
    await harness.sync(harness.base(version="2.0"))
    hits = await search(harness.pool, harness.embedder, "handbook", "press the green button", 50)
    assert len(hits) == 4
    assert not any("green button" in hit.content for hit in hits)


async def test_an_unknown_base_is_not_found_and_an_empty_one_is_empty(harness: Harness) -> None:
    with pytest.raises(NotFound):
        await search(harness.pool, harness.embedder, "none", "lever", 5)
    harness.repository.write("docs/only.txt", "")
    harness.repository.commit()
    await harness.sync(harness.base("empty", extensions=[".rst"]))
    assert await search(harness.pool, harness.embedder, "empty", "lever", 5) == []


@pytest.mark.large
async def test_a_middle_sized_base_among_others_is_searched_as_if_alone(harness: Harness) -> None:
    """In a shared index the Node application's search finds 30 % of the true top 10, and too few rows."""
    generator = np.random.default_rng(1)
    await insert_vectors(harness, "crowd", clustered(generator, 900, centre=0))
    own = clustered(generator, 300, centre=1)
    await insert_vectors(harness, "middle", own)
    await harness.pool.execute("ANALYZE knowledge_embeddings")
    queries = [*clustered(generator, 10, centre=0), *clustered(generator, 10, centre=1)]
    recalls = []
    for query in queries:
        hits = await search(harness.pool, FixedEmbedder(query), "middle", "any", 10)
        truth = {f"chunk {i}" for i in np.argsort(-(own @ query))[:10]}
        assert len(hits) == 10, "never fewer rows than there are"
        recalls.append(len(truth & {hit.content for hit in hits}) / 10)
    assert sum(recalls) / len(recalls) >= 0.95


async def test_a_small_base_in_a_large_index_is_never_cut_short(harness: Harness) -> None:
    """With the index's scan stopped early, the rest comes from comparing every row."""
    generator = np.random.default_rng(2)
    await insert_vectors(harness, "crowd", clustered(generator, 500, centre=0))
    await insert_vectors(harness, "rare", clustered(generator, 20, centre=1))
    [query] = clustered(generator, 1, centre=0)
    hits = await search(harness.pool, FixedEmbedder(query), "rare", "any", 15)
    assert len(hits) == 15


class FixedEmbedder(CountingEmbedder):
    """Answers the same vector to everything."""

    def __init__(self, vector: np.ndarray) -> None:
        super().__init__("synthetic")
        self._vector = vector

    async def embed(self, texts: object, *, urgent: bool = False, once: bool = False) -> np.ndarray:
        return self._vector[None, :]


def clustered(generator: np.random.Generator, count: int, *, centre: int) -> np.ndarray:
    """Unit vectors around a direction of their own."""
    vectors = generator.normal(size=(count, 1536)).astype(np.float32) * 0.05
    vectors[:, centre] += 1
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


async def insert_vectors(harness: Harness, base_id: str, vectors: np.ndarray) -> None:
    from knowledge.content.indexes.records import Index
    from knowledge.content.indexes.repository import upsert_index
    from knowledge.registry.registration import register_from_job

    await register_from_job(harness.pool, harness.base(base_id))
    async with harness.pool.acquire() as connection:
        await register_binary(connection)
        await connection.copy_records_to_table(
            "knowledge_embeddings",
            columns=("knowledge_base_id", "version", "content", "embedding"),
            records=[(base_id, "latest", f"chunk {i}", Vector(row)) for i, row in enumerate(vectors)],
            timeout=120,
        )
        index = Index("synthetic", "f" * 64, "d" * 64, "0" * 40, len(vectors))
        await upsert_index(connection, base_id, "latest", index)
