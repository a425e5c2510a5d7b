"""Search by vector: the true neighbours in one round trip, whatever the planner thinks, and never too few."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from common.postgres import Pool, create_pool, transaction
from knowledge.content.vectors.keeper import Limits, keep_indexes
from knowledge.search.nearest import nearest
from knowledge.search.records import Found, Wanted
from knowledge.settings import KnowledgeSettings
from tests.support.vectors import MODEL, clustered, insert_base, insert_chunks, nearest_of
from tests.support.wait import eventually

ROWS = 700


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    settings = KnowledgeSettings(database_url=database, auth_mode="dev")
    async with await create_pool(settings) as pool:
        await pool.execute("DROP INDEX knowledge_embeddings_embedding_idx")  # inserting takes seconds with it
        yield pool


@pytest.fixture
def vectors() -> np.ndarray:
    return clustered(np.random.default_rng(1), ROWS, centre=0)


def wanted(*bases: str, limit: int = 10, **more: Any) -> Wanted:
    asked: dict[str, Any] = {"user_id": "ann", "version": None, "min_score": None, "filter": None}
    return Wanted(base_ids=bases, limit=limit, model=MODEL, **(asked | more))


def contents(found: Found) -> list[str]:
    return [hit.content for hit in found.hits]


async def index_all(pool: Pool, database: str) -> None:
    while await keep_indexes(pool, database, Limits(100, 2**26), set()):
        pass


async def test_a_small_base_is_compared_row_by_row(pool: Pool, vectors: np.ndarray) -> None:
    await insert_base(pool, "other", vectors[:50])
    await insert_base(pool, "mine", vectors)
    for query in clustered(np.random.default_rng(2), 5, centre=0):
        found = await nearest(pool, wanted("mine"), query)
        assert contents(found) == nearest_of(vectors, query, 10)
        assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
        assert found.hits[0].score == pytest.approx(float((vectors @ query).max()), abs=1e-5)
    assert {hit.base_id for hit in found.hits} == {"mine"}
    assert found.plan.kind == "exact"
    assert [target.chunk_count for target in found.targets] == [ROWS]


async def test_a_large_base_is_searched_by_its_own_index(
    pool: Pool, database: str, vectors: np.ndarray
) -> None:
    await insert_base(pool, "crowd", clustered(np.random.default_rng(3), ROWS, centre=0))
    await insert_base(pool, "mine", vectors)
    await index_all(pool, database)
    before = await _scans(pool, "mine", 0)
    recalls = []
    for query in clustered(np.random.default_rng(2), 10, centre=0):
        found = await nearest(pool, wanted("mine"), query)
        assert len(found.hits) == 10
        assert found.plan.kind == "index"
        recalls.append(len(set(contents(found)) & set(nearest_of(vectors, query, 10))) / 10)
    assert sum(recalls) / len(recalls) >= 0.99
    assert await _scans(pool, "mine", before + 10) == before + 10


async def _scans(pool: Pool, base_id: str, enough: int) -> int:
    """How often the base's index was scanned, once that is known to be ``enough``. The builder's scans count
    when its session has ended; the others' soon after."""
    statement = """
    SELECT idx_scan FROM pg_stat_user_indexes JOIN knowledge_spaces
      ON indexrelname = 'knowledge_vectors_space_' || id
    WHERE knowledge_base_id = $1 AND NOT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE application_name = 'takaro-knowledge-indexes' AND datname = current_database())
    """
    await pool.expire_connections()  # a session says what it did when it ends, or after a second

    async def known() -> bool:
        return (await pool.fetchval(statement, base_id) or -1) >= enough

    await eventually(known, timeout=30)
    scans: int = await pool.fetchval(statement, base_id)
    return scans


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("every", [2, 20, 350])
async def test_what_passes_a_filter_is_never_short(
    pool: Pool, database: str, vectors: np.ndarray, indexed: bool, every: int
) -> None:
    await insert_base(pool, "mine", vectors, metadata=lambda i: {"passes": i % every == 0, "number": i})
    if indexed:
        await index_all(pool, database)
    passing = np.arange(0, ROWS, every)
    for query in clustered(np.random.default_rng(2), 3, centre=0):
        found = await nearest(pool, wanted("mine", filter="$.passes == true"), query)
        best = passing[np.argsort(-(vectors[passing] @ query), kind="stable")][:10]
        assert contents(found) == [f"chunk {i}" for i in best]


async def test_several_bases_are_one_list(pool: Pool, database: str, vectors: np.ndarray) -> None:
    few = clustered(np.random.default_rng(5), 60, centre=0)
    await insert_base(pool, "few", few)
    await insert_base(pool, "many", vectors)
    await index_all(pool, database)
    [query] = clustered(np.random.default_rng(2), 1, centre=0)
    found = await nearest(pool, wanted("few", "many", "none", limit=30), query)
    expected = np.sort(np.concatenate([few, vectors]) @ query)[::-1][:30]
    assert [hit.score for hit in found.hits] == pytest.approx(expected.tolist(), abs=1e-5)
    assert {hit.base_id for hit in found.hits} == {"few", "many"}
    assert found.plan.kind == "mixed"
    assert {target.base_id for target in found.targets} == {"few", "many"}


async def test_only_what_the_user_may_read_in_the_same_model_is_compared(
    pool: Pool, vectors: np.ndarray
) -> None:
    await insert_base(pool, "bobs", vectors[:20], owner="bob")
    await insert_base(pool, "anns", vectors[:20], owner="ann")
    await insert_base(pool, "otherwise", vectors[:20], model="another")
    found = await nearest(pool, wanted("bobs", "anns", "otherwise", limit=100), vectors[0])
    assert {hit.base_id for hit in found.hits} == {"anns"}
    assert {target.base_id: (target.visible, target.model) for target in found.targets} == {
        "bobs": (False, MODEL),
        "anns": (True, MODEL),
        "otherwise": (True, "another"),
    }


async def test_the_least_score_is_on_the_cosine(pool: Pool, vectors: np.ndarray) -> None:
    await insert_base(pool, "mine", vectors)
    scores = np.sort(vectors @ vectors[0])[::-1]
    found = await nearest(pool, wanted("mine", limit=50, min_score=float(scores[3]) - 1e-6), vectors[0])
    assert len(found.hits) == 4
    assert (await nearest(pool, wanted("mine", min_score=2), vectors[0])).hits == []


async def test_a_vector_of_zeros_is_found_last(pool: Pool, vectors: np.ndarray) -> None:
    await insert_base(pool, "mine", np.vstack([np.zeros((1, 1536), np.float32), vectors[:3]]))
    found = await nearest(pool, wanted("mine"), vectors[0])
    assert contents(found)[-1] == "chunk 0"
    assert found.hits[-1].score == 0
    assert len((await nearest(pool, wanted("mine"), [0.0] * 1536)).hits) == 4


async def test_a_search_is_one_statement_and_leaves_no_setting(
    pool: Pool, database: str, vectors: np.ndarray
) -> None:
    await insert_base(pool, "mine", vectors)
    await index_all(pool, database)
    statements: list[str] = []
    async with pool.acquire() as connection:
        [before] = await connection.fetch("SELECT current_setting('hnsw.ef_search', true)")
    await nearest(pool, wanted("mine"), vectors[0])
    async with pool.acquire() as connection:
        connection.add_query_logger(lambda record: statements.append(record.query))
    await nearest(pool, wanted("mine"), vectors[0])
    assert len(statements) == 1
    async with pool.acquire() as connection:
        assert await connection.fetch("SELECT current_setting('hnsw.ef_search', true)") in (
            [before],
            [("40",)],
        )
        assert await connection.fetchval("SHOW enable_seqscan") == "on"


async def test_a_search_sees_a_base_before_or_after_a_sync(
    pool: Pool, database: str, vectors: np.ndarray
) -> None:
    await insert_base(pool, "mine", vectors[:200])
    await index_all(pool, database)
    stop = asyncio.Event()

    async def rewrite() -> None:
        while not stop.is_set():
            async with transaction(pool) as connection:
                await connection.execute("DELETE FROM knowledge_embeddings")
                await insert_chunks(connection, "mine", vectors[:200])

    writing = asyncio.create_task(rewrite())
    for number in range(100):
        found = await nearest(pool, wanted("mine"), vectors[number])
        assert len(found.hits) == 10, number
    stop.set()
    await writing
