"""SQL of the search by vector. Functions take a connection, run one statement and never commit."""

from asyncpg import Record
from pgvector import Vector

from common.postgres import Connection
from knowledge.search import costs
from knowledge.search.records import Wanted
from knowledge.search.repository import TARGETS

NEAREST = """
nearest AS MATERIALIZED (
    SELECT target.base_id, near.chunk, near.by_index_found
    FROM target CROSS JOIN LATERAL knowledge_nearest(
        target.space, target.base_id, target.version, l2_normalize($4::vector)::halfvec, $5::integer,
        $6::jsonpath, target.indexed, least(
            1000, greatest($7::integer, target.ef_search) * CASE WHEN $6::jsonpath IS NULL THEN 1 ELSE 4 END
        ), $8::integer
    ) AS near
    WHERE target.visible AND target.model = $9 AND target.space IS NOT NULL
)
"""
"""After :data:`TARGETS`, the nearest chunks of each target as ``nearest``: ``$4`` the vector, ``$5`` how many
of each, ``$6`` the filter, ``$7`` and ``$8`` what an index scan may read (:mod:`knowledge.search.costs`),
``$9`` the model. Each target has ``$5`` of them, if so many pass the filter; some may come twice. They are in
no order, and are the nearest by half precision."""

FIND_NEAREST = f"""
WITH {TARGETS}, {NEAREST}, hit AS (
    SELECT chunk.*
    FROM (SELECT DISTINCT base_id, chunk AS id FROM nearest) AS found CROSS JOIN LATERAL (
        SELECT id, knowledge_base_id, version, content, metadata,
               coalesce(nullif(1 - (embedding <=> $4::vector), 'NaN'), 0) AS score
        FROM knowledge_embeddings
        WHERE id = found.id AND knowledge_base_id = found.base_id OFFSET 0
    ) AS chunk
    WHERE $10::float8 IS NULL OR chunk.score >= $10
    ORDER BY chunk.score DESC, chunk.id LIMIT $11
)
SELECT base_id, visible, version, current, model, chunk_count, space, indexed,
       (SELECT bool_and(by_index_found) FROM nearest WHERE nearest.base_id = target.base_id) AS by_index,
       NULL::uuid AS chunk, NULL AS content, NULL::jsonb AS metadata, NULL::float8 AS score
FROM target
UNION ALL
SELECT knowledge_base_id, NULL, version, NULL, NULL, NULL, NULL, NULL, NULL, id, content, metadata, score
FROM hit
"""  # noqa: S608 -- only constants


async def find_nearest(connection: Connection, wanted: Wanted, vector: Vector) -> list[Record]:
    """What is read (rows without ``chunk``), and the chunks nearest to ``vector``, each in no order.
    ``connection`` has the binary codecs."""
    return await connection.fetch(
        FIND_NEAREST,
        list(wanted.base_ids),
        wanted.user_id,
        wanted.version,
        vector,
        costs.candidates(wanted.limit),
        wanted.filter,
        costs.ef_search(wanted.limit),
        costs.MOST_TUPLES,
        wanted.model,
        wanted.min_score,
        wanted.limit,
    )
