"""SQL of documents. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence

import asyncpg

from common.postgres import Connection
from knowledge.content.chunks.records import metadata_of
from knowledge.reading.records import Listed, Piece, Source
from knowledge.sources.links import Origin

GET_SOURCE = """
SELECT base.source, base.chunk_overlap, made.commit_sha, made.model IS NOT NULL AS synced
FROM knowledge_bases AS base
LEFT JOIN knowledge_indexes AS made ON made.knowledge_base_id = base.id AND made.version = $2
WHERE base.id = $1
"""


async def get_source(connection: Connection, base_id: str, version: str) -> Source | None:
    """What is known of a version of a base; ``None`` without such a base."""
    row = await connection.fetchrow(GET_SOURCE, base_id, version)
    if row is None:
        return None
    origin = Origin(row["source"], row["commit_sha"])
    return Source(base_id, version, origin, row["synced"], row["chunk_overlap"])


_SYNCED = """file.path, first.title, cardinality(file.chunk_ids) AS chunks
FROM knowledge_files AS file
LEFT JOIN LATERAL (
    SELECT chunk.metadata ->> 'title' AS title FROM knowledge_embeddings AS chunk
    WHERE chunk.id = file.chunk_ids[1] AND jsonb_typeof(chunk.metadata -> 'title') = 'string'
) AS first ON true
WHERE file.knowledge_base_id = $1 AND file.version = $2 AND cardinality(file.chunk_ids) > 0
  AND ($4::text IS NULL OR starts_with(file.path, $4))"""

LIST_SYNCED = f"""
SELECT {_SYNCED}
  AND ($3::text IS NULL OR file.path > $3) ORDER BY file.path LIMIT $5
"""


async def list_synced(
    connection: Connection, source: Source, prefix: str | None, after: str | None, limit: int
) -> list[Listed]:
    """The documents that a sync of ours made, by path: the first ``limit`` after ``after``."""
    rows = await connection.fetch(LIST_SYNCED, source.base_id, source.version, after, prefix, limit)
    return [Listed(**dict(row)) for row in rows]


LIST_SYNCED_BACKWARDS = f"""
SELECT {_SYNCED}
  AND ($3::text IS NULL OR file.path < $3) ORDER BY file.path DESC LIMIT $5
"""


async def list_synced_backwards(
    connection: Connection, source: Source, prefix: str | None, before: str | None, limit: int
) -> list[Listed]:
    """As :func:`list_synced`, by path backwards."""
    rows = await connection.fetch(
        LIST_SYNCED_BACKWARDS, source.base_id, source.version, before, prefix, limit
    )
    return [Listed(**dict(row)) for row in rows]


_ADOPTED = """chunk.metadata ->> 'sourceFile' AS path, min(chunk.metadata ->> 'title')
           FILTER (WHERE jsonb_typeof(chunk.metadata -> 'title') = 'string') AS title,
       count(*) AS chunks
FROM knowledge_embeddings AS chunk
WHERE chunk.knowledge_base_id = $1 AND chunk.version = $2 AND chunk.metadata ->> 'sourceFile' IS NOT NULL
  AND ($4::text IS NULL OR starts_with(chunk.metadata ->> 'sourceFile', $4))"""

LIST_ADOPTED = f"""
SELECT {_ADOPTED}
  AND ($3::text IS NULL OR chunk.metadata ->> 'sourceFile' > $3) GROUP BY 1 ORDER BY 1 LIMIT $5
"""


async def list_adopted(
    connection: Connection, source: Source, prefix: str | None, after: str | None, limit: int
) -> list[Listed]:
    """The documents of another program's rows. The whole version is looked through."""
    rows = await connection.fetch(LIST_ADOPTED, source.base_id, source.version, after, prefix, limit)
    return [Listed(**dict(row)) for row in rows]


LIST_ADOPTED_BACKWARDS = f"""
SELECT {_ADOPTED}
  AND ($3::text IS NULL OR chunk.metadata ->> 'sourceFile' < $3) GROUP BY 1 ORDER BY 1 DESC LIMIT $5
"""


async def list_adopted_backwards(
    connection: Connection, source: Source, prefix: str | None, before: str | None, limit: int
) -> list[Listed]:
    """As :func:`list_adopted`, by path backwards."""
    rows = await connection.fetch(
        LIST_ADOPTED_BACKWARDS, source.base_id, source.version, before, prefix, limit
    )
    return [Listed(**dict(row)) for row in rows]


LIST_PIECES = """
SELECT file.path, part.number - 1 AS index, cardinality(file.chunk_ids) AS total,
       chunk.content, chunk.metadata
FROM (SELECT path, chunk_ids FROM knowledge_files
      WHERE knowledge_base_id = $1 AND version = $2 AND path = ANY($3::text[]) AND cardinality(chunk_ids) > 0
      ORDER BY array_position($3::text[], path::text) LIMIT 1) AS file
CROSS JOIN LATERAL unnest(file.chunk_ids) WITH ORDINALITY AS part (id, number)
JOIN knowledge_embeddings AS chunk ON chunk.id = part.id
WHERE part.number = 1 OR (part.number > $4 AND part.number <= $5)
ORDER BY part.number
"""


async def list_pieces(
    connection: Connection, source: Source, paths: Sequence[str], start: int, end: int
) -> list[Piece]:
    """The chunks of the first of ``paths`` that is a document: number 0, and those from ``start`` to before
    ``end``, in order."""
    rows = await connection.fetch(LIST_PIECES, source.base_id, source.version, list(paths), start, end)
    return _pieces(rows)


LIST_ADOPTED_PIECES = """
SELECT path, index, total, content, metadata FROM (
    SELECT chunk.metadata ->> 'sourceFile' AS path, chunk.content, chunk.metadata,
           row_number() OVER (ORDER BY chunk.metadata -> 'chunkIndex', chunk.id) - 1 AS index,
           count(*) OVER () AS total
    FROM knowledge_embeddings AS chunk
    WHERE chunk.knowledge_base_id = $1 AND chunk.version = $2
      AND chunk.metadata ->> 'sourceFile' = (
          SELECT known.metadata ->> 'sourceFile' FROM knowledge_embeddings AS known
          WHERE known.knowledge_base_id = $1 AND known.version = $2
            AND known.metadata ->> 'sourceFile' = ANY($3::text[])
          ORDER BY array_position($3::text[], known.metadata ->> 'sourceFile') LIMIT 1)
) AS piece
WHERE index = 0 OR (index >= $4 AND index < $5)
ORDER BY index
"""


async def list_adopted_pieces(
    connection: Connection, source: Source, paths: Sequence[str], start: int, end: int
) -> list[Piece]:
    """As :func:`list_pieces`, of another program's rows. The whole version is looked through."""
    rows = await connection.fetch(
        LIST_ADOPTED_PIECES, source.base_id, source.version, list(paths), start, end
    )
    return _pieces(rows)


def _pieces(rows: Sequence[asyncpg.Record]) -> list[Piece]:
    return [
        Piece(row["path"], row["index"], row["total"], row["content"], metadata_of(row["metadata"]))
        for row in rows
    ]
