"""SQL of the search. Functions take a connection, run one statement and never commit."""

from common.postgres import Connection
from knowledge.search.records import Target

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
