"""SQL of the hybrid search. Functions take a connection, run one statement and never commit."""

from asyncpg import Record
from pgvector import Vector

from common.postgres import Connection
from knowledge.search import costs
from knowledge.search.nearest_repository import NEAREST
from knowledge.search.records import Wanted
from knowledge.search.repository import TARGETS

RANKS_APART = 5
"""The constant of reciprocal rank fusion. Its authors have 60 (Cormack, Clarke, Büttcher 2009), for rankings
of thousands. Where one ranking knows little, as the local model of Spanish, what both find far down then goes
before what one finds first. ``make bench-search``: hit@5 0.710 with 60, 0.774 with 5."""

FIND_HYBRID = f"""
WITH {TARGETS}, {NEAREST}, matched AS MATERIALIZED (
    SELECT chunk, max(score) AS score
    FROM knowledge_matches(
        ARRAY(SELECT space FROM target WHERE visible AND model = $9 AND space IS NOT NULL),
        $12, $6::jsonpath, $5, $11, $13
    ) AS found
    GROUP BY chunk
), candidate AS (
    SELECT coalesce(near.chunk, matched.chunk) AS chunk, near.chunk IS NOT NULL AS is_near, matched.score
    FROM (SELECT DISTINCT chunk FROM nearest) AS near FULL JOIN matched ON matched.chunk = near.chunk
), compared AS (
    SELECT candidate.*, alike.cosine
    FROM candidate CROSS JOIN LATERAL (
        SELECT -(embedding <#> l2_normalize($4::vector)::halfvec) AS cosine
        FROM knowledge_vectors WHERE knowledge_vectors.chunk = candidate.chunk OFFSET 0
    ) AS alike
), passed AS MATERIALIZED (
    SELECT chunk, is_near, score, cosine FROM compared
    WHERE $10::float8 IS NULL OR CASE WHEN abs(cosine - $10) > 0.003 THEN cosine > $10 ELSE (
        SELECT coalesce(nullif(1 - (embedding <=> $4::vector), 'NaN'), 0) >= $10
        FROM knowledge_embeddings WHERE id = compared.chunk
    ) END
), ranked AS (
    SELECT chunk, cosine, is_near, score,
           row_number() OVER (ORDER BY is_near DESC, cosine DESC, chunk) AS by_vector,
           row_number() OVER (ORDER BY score DESC NULLS LAST, chunk) AS by_text
    FROM passed
), fused AS (
    SELECT chunk, CASE WHEN is_near THEN 1.0::float8 / ({RANKS_APART} + by_vector) ELSE 0 END
                  + CASE WHEN score IS NULL THEN 0 ELSE $14::float8 / ({RANKS_APART} + by_text) END AS score
    FROM ranked ORDER BY score DESC, cosine DESC, chunk LIMIT $11
)
SELECT base_id, visible, version, current, model, chunk_count, indexed,
       (SELECT bool_and(by_index_found) FROM nearest WHERE nearest.base_id = target.base_id) AS by_index,
       NULL::uuid AS chunk, NULL AS content, NULL::jsonb AS metadata, NULL::float8 AS score,
       NULL::float8 AS cosine
FROM target
UNION ALL
SELECT stored.knowledge_base_id, NULL, stored.version, NULL, NULL, NULL, NULL, NULL, stored.id,
       stored.content, stored.metadata, fused.score, stored.cosine
FROM fused CROSS JOIN LATERAL (
    SELECT id, knowledge_base_id, version, content, metadata,
           coalesce(nullif(1 - (embedding <=> $4::vector), 'NaN'), 0) AS cosine
    FROM knowledge_embeddings WHERE id = fused.chunk OFFSET 0
) AS stored
"""  # noqa: S608 -- only constants


async def find_hybrid(connection: Connection, wanted: Wanted, vector: Vector, text: str) -> list[Record]:
    """What is read (rows without ``chunk``), and the chunks that are best by both, each in no order.
    ``connection`` has the binary codecs."""
    return await connection.fetch(
        FIND_HYBRID,
        list(wanted.base_ids),
        wanted.user_id,
        wanted.version,
        vector,
        costs.ranks(wanted.limit),
        wanted.filter,
        costs.ef_search(wanted.limit),
        costs.MOST_TUPLES,
        wanted.model,
        wanted.min_score,
        wanted.limit,
        text,
        costs.MOST_MATCHES,
        costs.TEXT_WEIGHT,
    )
