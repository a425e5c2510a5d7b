"""Large spaces get an index of their own, which comes and goes with them, whoever is killed meanwhile."""

import asyncio
import sys
from collections.abc import AsyncIterator

import asyncpg
import numpy as np
import pytest

from common.postgres import Pool, create_pool
from knowledge.content.vectors import repository
from knowledge.content.vectors.keeper import IndexKeeper, Limits, keep_indexes
from knowledge.content.vectors.records import Recall, Space, SpaceIndex
from knowledge.content.vectors.rules import (
    EF_STEPS,
    Work,
    build_memory_kilobytes,
    ef_search_of,
    index_name,
    work_of,
)
from knowledge.search.nearest import nearest
from knowledge.settings import KnowledgeSettings
from tests.integration.knowledge.test_nearest import contents, wanted
from tests.support.vectors import clustered, insert_base, insert_chunks, nearest_of
from tests.support.wait import eventually

LIMITS = Limits(100, 2**26)
BUILDER = """
import asyncio, sys
from common.postgres import create_pool
from knowledge.content.vectors.keeper import Limits, keep_indexes
from knowledge.settings import KnowledgeSettings

async def main():
    settings = KnowledgeSettings(database_url=sys.argv[1], auth_mode="dev")
    async with await create_pool(settings) as pool:
        await keep_indexes(pool, sys.argv[1], Limits(100, 2**26), set())

asyncio.run(main())
"""


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with await create_pool(KnowledgeSettings(database_url=database, auth_mode="dev")) as pool:
        await pool.execute("DROP INDEX knowledge_embeddings_embedding_idx")
        yield pool


@pytest.fixture
def vectors() -> np.ndarray:
    return clustered(np.random.default_rng(1), 300, centre=0)


async def indexes(pool: Pool) -> dict[int, bool]:
    """Whether each index over a space is valid, by space."""
    async with pool.acquire() as connection:
        return {index.space: index.valid for index in await repository.list_space_indexes(connection)}


async def space_of(pool: Pool, base_id: str) -> int:
    space: int = await pool.fetchval("SELECT id FROM knowledge_spaces WHERE knowledge_base_id = $1", base_id)
    return space


async def keep(pool: Pool, database: str) -> None:
    failed = set[int]()
    while await keep_indexes(pool, database, LIMITS, failed):
        pass


async def test_large_spaces_have_an_index_and_small_ones_none(
    pool: Pool, database: str, vectors: np.ndarray
) -> None:
    for base_id, rows in (("large", 300), ("larger", 250), ("small", 100)):
        await insert_base(pool, base_id, vectors[:rows])
    await keep(pool, database)
    large, larger = await space_of(pool, "large"), await space_of(pool, "larger")
    assert await indexes(pool) == {large: True, larger: True}
    await pool.execute("DELETE FROM knowledge_embeddings WHERE knowledge_base_id = 'larger'")
    some = "SELECT id FROM knowledge_embeddings WHERE knowledge_base_id = 'large' LIMIT $1"
    await pool.execute(f"DELETE FROM knowledge_embeddings WHERE id IN ({some})", 240)
    await keep(pool, database)
    assert await indexes(pool) == {large: True}, "it isn't built and dropped again around the limit"
    await pool.execute(f"DELETE FROM knowledge_embeddings WHERE id IN ({some})", 20)
    await keep(pool, database)
    assert await indexes(pool) == {}
    assert await pool.fetchval("SELECT count(*) FROM knowledge_spaces") == 2


async def test_a_space_that_a_writer_holds_is_not_deleted(
    pool: Pool, database: str, vectors: np.ndarray
) -> None:
    await insert_base(pool, "mine", vectors[:3])
    await pool.execute("DELETE FROM knowledge_embeddings")
    async with pool.acquire() as connection, connection.transaction():
        await insert_chunks(connection, "mine", vectors[:5])
        await keep(pool, database)
    await keep(pool, database)
    assert await pool.fetchval("SELECT count(*) FROM knowledge_spaces") == 1
    assert len((await nearest(pool, wanted("mine"), vectors[0])).hits) == 5


SLOW = """
CREATE SCHEMA slow;
CREATE FUNCTION slow.let_through(id integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(42);
    RETURN true;
END
$$;
CREATE VIEW slow.knowledge_spaces AS SELECT * FROM public.knowledge_spaces WHERE slow.let_through(id)
"""
"""A keeper that finds this view in place of the table stops in the middle of reading it."""


async def test_a_space_that_is_filled_while_it_is_read_is_not_deleted(
    pool: Pool, database: str, vectors: np.ndarray
) -> None:
    await insert_base(pool, "mine", vectors[:3])
    await insert_base(pool, "gone", vectors[:3])
    await pool.execute("DELETE FROM knowledge_embeddings")
    await pool.execute(SLOW)
    name = await pool.fetchval("SELECT current_database()")
    await pool.execute(f"ALTER DATABASE {name} SET search_path = slow, public")
    gate = await asyncpg.connect(database)
    await gate.execute("SELECT pg_advisory_lock(42)")
    settings = KnowledgeSettings(database_url=database, auth_mode="dev")
    async with await create_pool(settings) as slow:
        async with pool.acquire() as connection, connection.transaction():
            await insert_chunks(connection, "mine", vectors[:5])
            keeping = asyncio.create_task(keep_indexes(slow, database, LIMITS, set()))

            async def stopped() -> bool:
                return bool(
                    await gate.fetchval(
                        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
                    )
                )

            await eventually(stopped, timeout=20)
        await gate.close()
        await keeping
    assert await pool.fetchval("SELECT array_agg(knowledge_base_id) FROM knowledge_spaces") == ["mine"]
    assert len((await nearest(pool, wanted("mine"), vectors[0])).hits) == 5


async def test_a_builder_that_is_killed_is_replaced(pool: Pool, database: str, vectors: np.ndarray) -> None:
    """CREATE INDEX CONCURRENTLY waits for a transaction that is older: there it is killed."""
    await insert_base(pool, "mine", vectors)
    space = await space_of(pool, "mine")
    old = await asyncpg.connect(database)
    async with old.transaction():
        await old.execute("DELETE FROM knowledge_embeddings WHERE content = 'none'")
        builder = await asyncio.create_subprocess_exec(sys.executable, "-c", BUILDER, database)

        async def waits() -> bool:
            return await indexes(pool) == {space: False}

        await eventually(waits, timeout=60)
        found = await nearest(pool, wanted("mine"), vectors[0])
        assert (found.plan.kind, contents(found)) == ("exact", nearest_of(vectors, vectors[0], 10))
        builder.kill()
        await builder.wait()

        async def ended() -> bool:
            return not await pool.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'takaro-knowledge-indexes' "
                "AND datname = current_database()"
            )

        await eventually(ended, timeout=30)
    await old.close()
    assert await indexes(pool) == {space: False}
    assert (await nearest(pool, wanted("mine"), vectors[0])).plan.kind == "exact"
    await keep(pool, database)
    assert await indexes(pool) == {space: True}
    assert (await nearest(pool, wanted("mine"), vectors[0])).plan.kind == "index"


async def test_an_index_is_measured_when_it_is_built(pool: Pool, database: str, vectors: np.ndarray) -> None:
    await insert_base(pool, "mine", vectors)
    await insert_base(pool, "other", clustered(np.random.default_rng(2), 90, centre=1))
    await keep(pool, database)
    space = await space_of(pool, "mine")
    async with pool.acquire() as connection:
        [found] = [one for one in await repository.list_spaces(connection) if one.id == space]
        measured = await repository.measure_recall(connection, space, 10, [1, 800], 60)
    assert found.ef_search in EF_STEPS
    assert {each.recall for each in measured if each.ef_search == 800} == {1.0}
    await pool.execute("UPDATE knowledge_spaces SET ef_search = NULL")  # killed before it was measured
    await keep(pool, database)
    assert await pool.fetchval("SELECT ef_search FROM knowledge_spaces WHERE id = $1", space) in EF_STEPS


def test_the_smallest_that_finds_enough_of_both_kinds_is_used() -> None:
    measured = [Recall(ef, far, 1 - far * 2 / ef) for ef in EF_STEPS for far in (False, True)]
    assert ef_search_of(measured) == 300
    assert ef_search_of([Recall(ef, True, 0.5) for ef in EF_STEPS]) == EF_STEPS[-1]


async def test_an_index_of_a_space_that_was_emptied_meanwhile_is_not_measured(
    pool: Pool, database: str, vectors: np.ndarray
) -> None:
    await insert_base(pool, "mine", vectors)
    await insert_base(pool, "other", vectors[:20])
    space = await space_of(pool, "mine")
    await pool.execute("DELETE FROM knowledge_embeddings WHERE knowledge_base_id = 'mine'")
    async with pool.acquire() as connection:
        measured = await repository.measure_recall(connection, space, 10, [200, 800], 60)
    assert {each.recall for each in measured} == {None}
    assert ef_search_of(measured) is None
    assert ef_search_of([]) is None


async def test_a_build_that_fails_again_and_again_holds_up_no_other(
    pool: Pool, database: str, vectors: np.ndarray
) -> None:
    """The largest comes first. Its index's name is taken."""
    for base_id, rows in (("largest", 300), ("large", 250), ("less", 200)):
        await insert_base(pool, base_id, vectors[:rows])
    largest, large, less = [await space_of(pool, base_id) for base_id in ("largest", "large", "less")]
    await pool.execute(f"CREATE TABLE {index_name(largest)} ()")
    limits = Limits(100, 2**26, interval_seconds=0.05)
    keeper = IndexKeeper(pool, database, limits, instance="one", lease_ttl_seconds=3)
    running = asyncio.create_task(keeper.run())

    async def others_built() -> bool:
        return await indexes(pool) == {large: True, less: True}

    async def all_built() -> bool:
        return await indexes(pool) == {largest: True, large: True, less: True}

    await eventually(others_built, timeout=30)
    await pool.execute(f"DROP TABLE {index_name(largest)}")
    await eventually(all_built, timeout=30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_of_several_keepers_one_works(pool: Pool, database: str, vectors: np.ndarray) -> None:
    await insert_base(pool, "mine", vectors)
    limits = Limits(100, 2**26, interval_seconds=0.05)
    keepers = [
        asyncio.create_task(IndexKeeper(pool, database, limits, instance=name, lease_ttl_seconds=3).run())
        for name in ("one", "two")
    ]

    async def built() -> bool:
        return list((await indexes(pool)).values()) == [True]

    await eventually(built, timeout=60)
    for keeper in keepers:
        keeper.cancel()
    await asyncio.gather(*keepers, return_exceptions=True)


async def test_an_index_that_is_being_built_is_left_alone() -> None:
    space = Space(7, "mine", "latest", 1000)
    index = SpaceIndex(index_name(7), 7, valid=False, building=True)
    assert work_of([space], [index], 100) == Work([], [], [])


def test_a_build_takes_no_more_memory_than_it_may() -> None:
    assert build_memory_kilobytes(10, 2**30) == 64 * 1024
    assert build_memory_kilobytes(40_000, 2**30) == 40_000 * 4_500 // 1024
    assert build_memory_kilobytes(10_000_000, 2**29) == 2**19
