"""SQL of the search by text. Functions take a connection, run one statement and never commit."""

from asyncpg import Record

from common.postgres import Connection
from knowledge.search import costs
from knowledge.search.records import Wanted
from knowledge.search.repository import TARGETS

FIND_MATCHING = f"""
WITH {TARGETS}, matched AS MATERIALIZED (
    SELECT chunk, max(score) AS score
    FROM knowledge_matches(
        ARRAY(SELECT space FROM target WHERE visible AND space IS NOT NULL), $4, $5::jsonpath, $6, $6, $7
    ) AS found
    GROUP BY chunk ORDER BY score DESC, chunk LIMIT $6
)
SELECT base_id, visible, version, current, model, chunk_count, indexed,
       NULL::uuid AS chunk, NULL AS content, NULL::jsonb AS metadata, NULL::float8 AS score
FROM target
UNION ALL
SELECT stored.knowledge_base_id, NULL, stored.version, NULL, NULL, NULL, NULL, stored.id, stored.content,
       stored.metadata, matched.score
FROM matched CROSS JOIN LATERAL (
    SELECT id, knowledge_base_id, version, content, metadata FROM knowledge_embeddings
    WHERE id = matched.chunk OFFSET 0
) AS stored
"""  # noqa: S608 -- only constants


async def find_matching(connection: Connection, wanted: Wanted, text: str) -> list[Record]:
    """What is read (rows without ``chunk``), and the chunks that have most of ``text``, each in no order."""
    return await connection.fetch(
        FIND_MATCHING,
        list(wanted.base_ids),
        wanted.user_id,
        wanted.version,
        text,
        wanted.filter,
        wanted.limit,
        costs.MOST_MATCHES,
    )
