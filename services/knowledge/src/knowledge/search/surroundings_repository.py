"""SQL of what is shown beside hits. Functions take a connection, run one statement and never commit."""

from collections.abc import Collection, Sequence

from common.postgres import Connection
from knowledge.search.records import Place
from knowledge.sources.links import Origin

LIST_ORIGINS = """
SELECT base.id, wanted.version, base.source, made.commit_sha
FROM unnest($1::text[], $2::text[]) AS wanted (base_id, version)
JOIN knowledge_bases AS base ON base.id = wanted.base_id
LEFT JOIN knowledge_indexes AS made ON made.knowledge_base_id = base.id AND made.version = wanted.version
"""


async def list_origins(
    connection: Connection, versions: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Origin]:
    """Where these versions of bases came from."""
    rows = await connection.fetch(LIST_ORIGINS, [base for base, _ in versions], [v for _, v in versions])
    return {(row["id"], row["version"]): Origin(row["source"], row["commit_sha"]) for row in rows}


LIST_NEAR = """
WITH place AS MATERIALIZED (
    SELECT base_id, version, path, index
    FROM unnest($1::text[], $2::text[], $3::text[], $4::int[]) AS wanted (base_id, version, path, index)
), adopted AS MATERIALIZED (
    SELECT chunk.knowledge_base_id AS base_id, chunk.version, chunk.metadata ->> 'sourceFile' AS path,
           chunk.metadata -> 'chunkIndex' AS index, chunk.content
    FROM (SELECT DISTINCT base_id, version FROM place) AS base
    JOIN knowledge_embeddings AS chunk
      ON chunk.knowledge_base_id = base.base_id AND chunk.version = base.version
    WHERE chunk.metadata ->> 'sourceFile' = ANY($3::text[]) AND NOT EXISTS (
        SELECT FROM knowledge_indexes AS made
        WHERE made.knowledge_base_id = base.base_id AND made.version = base.version)
)
SELECT place.base_id, place.version, place.path, place.index, chunk.content
FROM place
JOIN knowledge_files AS file ON file.knowledge_base_id = place.base_id AND file.version = place.version
    AND file.path = place.path
JOIN knowledge_embeddings AS chunk ON chunk.id = file.chunk_ids[place.index + 1]
UNION ALL
SELECT place.base_id, place.version, place.path, place.index, adopted.content
FROM place
JOIN adopted ON adopted.base_id = place.base_id AND adopted.version = place.version
    AND adopted.path = place.path AND adopted.index = to_jsonb(place.index)
"""


async def list_near(connection: Connection, places: Sequence[Place]) -> dict[Place, str]:
    """The texts of the chunks that are at these places; others are left out. A file that a sync of ours read
    knows its chunks; for the Node application's rows the whole version is looked through, once."""
    rows = await connection.fetch(
        LIST_NEAR,
        [place.base_id for place in places],
        [place.version for place in places],
        [place.path for place in places],
        [place.index for place in places],
    )
    return {Place(row["base_id"], row["version"], row["path"], row["index"]): row["content"] for row in rows}
