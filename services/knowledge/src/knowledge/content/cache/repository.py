"""SQL of the embedding cache. Functions take a connection, run one statement and never commit."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pgvector import Vector

from common.postgres import Connection
from knowledge.embeddings import Vectors

# Syncs share embeddings: all lock them in the order of their hashes.
UPDATE_CACHE_USED = """
WITH locked AS MATERIALIZED (
    SELECT content_hash FROM knowledge_embedding_cache
    WHERE model = $1 AND content_hash = ANY($2::bytea[]) AND used_at < now() - interval '1 day'
    ORDER BY content_hash FOR NO KEY UPDATE
)
UPDATE knowledge_embedding_cache AS known SET used_at = now()
FROM locked WHERE known.model = $1 AND known.content_hash = locked.content_hash
"""


async def update_cache_used(connection: Connection, model: str, hashes: Sequence[bytes]) -> None:
    """Record that these embeddings are needed, at most once a day."""
    await connection.execute(UPDATE_CACHE_USED, model, hashes)


LIST_CACHED_HASHES = """
SELECT content_hash FROM knowledge_embedding_cache WHERE model = $1 AND content_hash = ANY($2::bytea[])
"""


async def list_cached_hashes(connection: Connection, model: str, hashes: Sequence[bytes]) -> set[bytes]:
    """Those ``hashes`` that have an embedding of ``model``."""
    rows = await connection.fetch(LIST_CACHED_HASHES, model, hashes)
    return {row["content_hash"] for row in rows}


GET_CACHED = """
SELECT content_hash, embedding FROM knowledge_embedding_cache
WHERE model = $1 AND content_hash = ANY($2::bytea[])
"""


async def get_cached(connection: Connection, model: str, hashes: Sequence[bytes]) -> dict[bytes, Any]:
    """Embeddings by content hash, as pgvector's ``Vector``. ``connection`` has the binary codecs."""
    rows = await connection.fetch(GET_CACHED, model, hashes)
    return {row["content_hash"]: row["embedding"] for row in rows}


INSERT_CACHED = """
INSERT INTO knowledge_embedding_cache (model, content_hash, embedding)
SELECT $1, content_hash, embedding FROM unnest($2::bytea[], $3::vector[]) AS paid (content_hash, embedding)
ORDER BY content_hash
ON CONFLICT DO NOTHING
"""


async def insert_cached(
    connection: Connection, model: str, hashes: Sequence[bytes], vectors: Vectors
) -> None:
    """Store embeddings that were paid for. ``connection`` has the binary codecs."""
    await connection.execute(INSERT_CACHED, model, hashes, [Vector(row) for row in vectors])


INSERT_CACHED_FROM_ROWS = """
INSERT INTO knowledge_embedding_cache (model, content_hash, embedding)
SELECT $1::varchar, held.content_hash, chunk.embedding
FROM unnest($2::uuid[], $3::bytea[]) AS held (id, content_hash)
JOIN knowledge_embeddings AS chunk ON chunk.id = held.id
WHERE NOT EXISTS (SELECT FROM knowledge_embedding_cache AS known
                  WHERE known.model = $1 AND known.content_hash = held.content_hash)
ORDER BY 2
ON CONFLICT DO NOTHING
"""


async def insert_cached_from_rows(connection: Connection, model: str, hashes: Mapping[UUID, bytes]) -> None:
    """Put the embeddings of these rows, which ``model`` made, back into the cache if it has deleted them.
    ``hashes`` are those of the texts that were embedded."""
    await connection.execute(INSERT_CACHED_FROM_ROWS, model, list(hashes), list(hashes.values()))


DELETE_CACHED = """
WITH unused AS MATERIALIZED (
    SELECT model, content_hash FROM knowledge_embedding_cache WHERE used_at < now() - $1::interval
    FOR UPDATE SKIP LOCKED
)
DELETE FROM knowledge_embedding_cache AS known USING unused
WHERE known.model = unused.model AND known.content_hash = unused.content_hash
"""


async def delete_cached(connection: Connection, unused_for: timedelta) -> None:
    """Delete embeddings that no sync has needed for that long."""
    await connection.execute(DELETE_CACHED, unused_for)
