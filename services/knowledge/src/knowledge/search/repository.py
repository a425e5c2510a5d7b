"""SQL of what a search reads. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence

from common.postgres import Connection
from knowledge.content.vectors.rules import INDEX_PREFIX
from knowledge.search.records import Target

TARGETS = f"""
base AS (
    SELECT id, version, public OR owner IS NOT DISTINCT FROM $2 AS visible
    FROM knowledge_bases WHERE id = ANY($1::varchar[])
), version_to_read AS (
    SELECT base.id, base.visible, base.version AS own, coalesce(
        $3::varchar,
        (SELECT version FROM knowledge_indexes AS made
         WHERE made.knowledge_base_id = base.id AND NOT EXISTS (
             SELECT FROM knowledge_embeddings AS chunk
             WHERE chunk.knowledge_base_id = base.id AND chunk.version = base.version)
         ORDER BY made.version = base.version DESC, made.synced_at DESC LIMIT 1),
        base.version) AS version
    FROM base
), target AS MATERIALIZED (
    SELECT read.id AS base_id, read.visible, read.version, read.version = read.own AS current, made.model,
           CASE WHEN made.model IS NULL
                THEN (SELECT count(*) FROM knowledge_embeddings AS chunk
                      WHERE chunk.knowledge_base_id = read.id AND chunk.version = read.version)
                ELSE made.chunk_count END AS chunk_count,
           space.id AS space, space.ef_search,
           EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{INDEX_PREFIX}' || space.id)
                   AND indisvalid) AS indexed
    FROM version_to_read AS read
    LEFT JOIN knowledge_indexes AS made ON made.knowledge_base_id = read.id AND made.version = read.version
    LEFT JOIN knowledge_spaces AS space ON space.knowledge_base_id = read.id AND space.version = read.version
)
"""  # noqa: S608 -- only constants
"""CTEs for what a search reads, as ``target``: ``$1`` ids of bases, ``$2`` the user's id, ``$3`` a version.
"""

LIST_TARGETS = f"""
WITH {TARGETS} SELECT base_id, visible, version, current, model, chunk_count FROM target
"""  # noqa: S608 -- only constants


async def list_targets(
    connection: Connection, base_ids: Sequence[str], user_id: str, version: str | None = None
) -> list[Target]:
    """What a search of ``version`` reads of those of the bases that exist. Without one it is each base's own
    version, or the one synced last while that waits for its first sync. ``visible``: whether the user may
    search it."""
    rows = await connection.fetch(LIST_TARGETS, base_ids, user_id, version)
    return [Target(**dict(row)) for row in rows]
