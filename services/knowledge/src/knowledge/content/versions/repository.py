"""SQL of the versions of a base. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence

from common.postgres import Connection
from knowledge.content.versions.records import StoredVersion

LIST_VERSIONS = """
WITH RECURSIVE stored (version) AS (
    (SELECT version FROM knowledge_embeddings WHERE knowledge_base_id = $1 ORDER BY version LIMIT 1)
    UNION ALL
    SELECT (SELECT chunk.version FROM knowledge_embeddings AS chunk
            WHERE chunk.knowledge_base_id = $1 AND chunk.version > stored.version
            ORDER BY chunk.version LIMIT 1)
    FROM stored WHERE stored.version IS NOT NULL
), made AS (
    SELECT version, model, synced_at FROM knowledge_indexes WHERE knowledge_base_id = $1
)
SELECT coalesce(made.version, stored.version) AS version, made.model
FROM made FULL JOIN (SELECT version FROM stored WHERE version IS NOT NULL) AS stored
     ON stored.version = made.version
ORDER BY made.synced_at DESC NULLS LAST, version
"""


async def list_versions(connection: Connection, base_id: str) -> list[StoredVersion]:
    """The stored versions of a base, the one synced last first. Takes one step of an index for each version,
    however many rows it has."""
    return [StoredVersion(**dict(row)) for row in await connection.fetch(LIST_VERSIONS, base_id)]


DELETE_CHUNKS_OF_VERSIONS = """
DELETE FROM knowledge_embeddings WHERE knowledge_base_id = $1 AND version = ANY($2::text[])
"""


async def delete_chunks_of_versions(
    connection: Connection, base_id: str, versions: Sequence[str], seconds: float
) -> int:
    """Delete the rows of these versions, of any writer. Returns their number."""
    done: str = await connection.execute(DELETE_CHUNKS_OF_VERSIONS, base_id, versions, timeout=seconds)
    return int(done.rpartition(" ")[2])


DELETE_INDEXES = "DELETE FROM knowledge_indexes WHERE knowledge_base_id = $1 AND version = ANY($2::text[])"


async def delete_indexes(connection: Connection, base_id: str, versions: Sequence[str]) -> None:
    """Delete the index and file records of these versions."""
    await connection.execute(DELETE_INDEXES, base_id, versions)
