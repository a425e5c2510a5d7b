"""SQL of the search. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence

import asyncpg

from common.postgres import Connection
from knowledge.search.records import Hit, Target, Wanted

GET_TARGET = """
WITH base AS (
    SELECT id, version, public OR owner IS NOT DISTINCT FROM $2 AS visible FROM knowledge_bases WHERE id = $1
), target AS (
    SELECT coalesce(
        $3::varchar,
        (SELECT version FROM knowledge_indexes AS made
         WHERE made.knowledge_base_id = base.id AND NOT EXISTS (
             SELECT FROM knowledge_embeddings AS chunk
             WHERE chunk.knowledge_base_id = base.id AND chunk.version = base.version)
         ORDER BY made.version = base.version DESC, made.synced_at DESC LIMIT 1),
        base.version) AS version
    FROM base
)
SELECT base.id AS base_id, base.visible, target.version, target.version = base.version AS current, made.model,
       CASE WHEN made.model IS NULL
            THEN (SELECT count(*) FROM knowledge_embeddings AS chunk
                  WHERE chunk.knowledge_base_id = base.id AND chunk.version = target.version)
            ELSE made.chunk_count END AS chunk_count
FROM base CROSS JOIN target
LEFT JOIN knowledge_indexes AS made ON made.knowledge_base_id = base.id AND made.version = target.version
"""


async def get_target(
    connection: Connection, base_id: str, user_id: str, version: str | None = None
) -> Target | None:
    """What a search of ``version`` reads. Without one it is the base's own version, or the one synced last
    while that waits for its first sync. ``visible``: whether the user may search it."""
    row = await connection.fetchrow(GET_TARGET, base_id, user_id, version)
    return Target(**dict(row)) if row else None


SEARCH_EXACTLY = """
SELECT id, knowledge_base_id, version, content, metadata, 1 - (embedding <=> $1::real[]::vector) AS score
FROM knowledge_embeddings
WHERE knowledge_base_id = $2 AND version = $3 AND ($5::jsonpath IS NULL OR metadata @@ $5::jsonpath)
  AND ($6::float8 IS NULL OR 1 - (embedding <=> $1::real[]::vector) >= $6)
ORDER BY (embedding <=> $1::real[]::vector) + 0, id LIMIT $4
"""


async def search_exactly(
    connection: Connection, query: Sequence[float], target: Target, wanted: Wanted
) -> list[Hit]:
    """Compares every chunk of the base. ``+ 0`` keeps the planner from the HNSW index, whose recall inside
    one base of a shared index is poor at medium sizes."""
    rows = await connection.fetch(
        SEARCH_EXACTLY, query, target.base_id, target.version, wanted.limit, wanted.filter, wanted.min_score
    )
    return _hits(rows)


SET_HNSW = """
SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.ef_search', '100', true)
"""


async def set_hnsw(connection: Connection) -> None:
    """For this transaction only: continue the scan until enough rows of the base are found."""
    await connection.execute(SET_HNSW)


SEARCH_BY_INDEX = """
WITH candidate AS MATERIALIZED (
    SELECT id, knowledge_base_id, version, content, metadata, embedding <=> $1::real[]::vector AS distance
    FROM knowledge_embeddings WHERE knowledge_base_id = $2 AND version = $3
    ORDER BY embedding <=> $1::real[]::vector LIMIT $4 * 4
)
SELECT id, knowledge_base_id, version, content, metadata, 1 - distance AS score
FROM candidate ORDER BY distance, id LIMIT $4
"""


async def search_by_index(
    connection: Connection, query: Sequence[float], target: Target, limit: int
) -> list[Hit]:
    """The nearest by the HNSW index. It fetches four times as many as requested and sorts them again, since a
    relaxed scan is sometimes unsorted."""
    return _hits(await connection.fetch(SEARCH_BY_INDEX, query, target.base_id, target.version, limit))


def _hits(rows: Sequence[asyncpg.Record]) -> list[Hit]:
    return [
        Hit(
            row["id"],
            row["knowledge_base_id"],
            row["version"],
            row["content"],
            row["metadata"] or {},
            row["score"],
            row["score"],
        )
        for row in rows
    ]
