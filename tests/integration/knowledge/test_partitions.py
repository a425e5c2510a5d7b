"""docs/scaling.md: with both tables partitioned by base, a search by vector touches one base's partitions."""

from collections.abc import AsyncIterator

import numpy as np
import pytest
from pgvector import Vector

from common.postgres import Pool, create_pool
from knowledge.content.binary_codecs import register_binary
from knowledge.content.vectors.rules import index_name
from knowledge.search.nearest_repository import find_nearest
from knowledge.settings import KnowledgeSettings
from tests.integration.knowledge.test_nearest import wanted
from tests.support.vectors import clustered, insert_base

BASES = ("one", "two", "three")
PARTITIONED = """
CREATE TABLE chunks (LIKE knowledge_embeddings INCLUDING DEFAULTS) PARTITION BY LIST (knowledge_base_id);
CREATE TABLE vectors (LIKE knowledge_vectors) PARTITION BY LIST (space);
"""
PARTITION = """
CREATE TABLE chunks_{space} PARTITION OF chunks (PRIMARY KEY (id)) FOR VALUES IN ('{base}');
CREATE INDEX ON chunks_{space} (knowledge_base_id, version);
CREATE TABLE vectors_{space} PARTITION OF vectors (PRIMARY KEY (chunk)) FOR VALUES IN ({space});
CREATE INDEX ON vectors_{space} (space);
"""
MOVED = """
INSERT INTO chunks SELECT * FROM knowledge_embeddings;
INSERT INTO vectors SELECT * FROM knowledge_vectors;
DROP TABLE knowledge_embeddings, knowledge_vectors;
ALTER TABLE chunks RENAME TO knowledge_embeddings;
ALTER TABLE vectors RENAME TO knowledge_vectors;
"""
SCANS = """
SELECT relname, seq_scan + coalesce(idx_scan, 0) AS scans FROM pg_stat_xact_user_tables
WHERE relname ~ '^(chunks|vectors)_' ORDER BY 1
"""


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with await create_pool(KnowledgeSettings(database_url=database, auth_mode="dev")) as pool:
        for number, base in enumerate(BASES):
            await insert_base(pool, base, clustered(np.random.default_rng(number), 60, centre=number))
        spaces = await pool.fetch("SELECT id, knowledge_base_id FROM knowledge_spaces")
        await pool.execute(PARTITIONED)
        for space, base in spaces:
            await pool.execute(PARTITION.format(space=space, base=base))
        await pool.execute(MOVED)
        await pool.execute("ANALYZE")
        yield pool


@pytest.mark.parametrize("passing", [None, "$.number < 30"])
@pytest.mark.parametrize("indexed", [False, True])
async def test_a_search_touches_one_base(pool: Pool, indexed: bool, passing: str | None) -> None:
    space = await pool.fetchval("SELECT id FROM knowledge_spaces WHERE knowledge_base_id = 'two'")
    if indexed:
        await pool.execute(
            f"CREATE INDEX {index_name(space)} ON vectors_{space} USING hnsw (embedding halfvec_ip_ops)"
        )
    query = Vector(clustered(np.random.default_rng(9), 1, centre=1)[0])
    await pool.expire_connections()  # a session counts what it did before, too
    async with pool.acquire() as connection:
        await register_binary(connection)
        async with connection.transaction():
            for _ in range(7):  # first with plans of its own, then with a general one
                before = {row["relname"]: row["scans"] for row in await connection.fetch(SCANS)}
                rows = await find_nearest(connection, wanted("two", limit=5, filter=passing), query)
                after = await connection.fetch(SCANS)
            touched = [table for table, scans in after if scans > before.get(table, 0)]
    assert touched == [f"chunks_{space}", f"vectors_{space}"]
    assert len([row for row in rows if row["chunk"] is not None]) == 5
    assert [row["by_index"] for row in rows if row["chunk"] is None] == [indexed]
