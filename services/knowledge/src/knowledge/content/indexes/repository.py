"""SQL of the indexes, and of the index state that the Node application reads. Functions take a connection,
run one statement and never commit."""

from common.postgres import Connection
from knowledge.content.indexes.records import Index

GET_INDEX = """
SELECT model, fingerprint, definition, commit_sha AS commit, chunk_count
FROM knowledge_indexes WHERE knowledge_base_id = $1 AND version = $2
"""


async def get_index(connection: Connection, base_id: str, version: str) -> Index | None:
    """What a version's rows were made with; ``None`` if no sync of ours made them."""
    row = await connection.fetchrow(GET_INDEX, base_id, version)
    return Index(**dict(row)) if row else None


UPSERT_INDEX = """
INSERT INTO knowledge_indexes
    (knowledge_base_id, version, model, fingerprint, definition, commit_sha, chunk_count)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (knowledge_base_id, version) DO UPDATE SET model = excluded.model, synced_at = now(),
    fingerprint = excluded.fingerprint, definition = excluded.definition, commit_sha = excluded.commit_sha,
    chunk_count = excluded.chunk_count
"""


async def upsert_index(connection: Connection, base_id: str, version: str, index: Index) -> None:
    """Store what a version's rows are now made with."""
    await connection.execute(
        UPSERT_INDEX,
        base_id,
        version,
        index.model,
        index.fingerprint,
        index.definition,
        index.commit,
        index.chunk_count,
    )


UPSERT_SYNC_STATE = """
INSERT INTO knowledge_sync_state (knowledge_base_id, last_commit_sha, last_synced_at) VALUES ($1, $2, now())
ON CONFLICT (knowledge_base_id) DO UPDATE SET last_commit_sha = excluded.last_commit_sha,
    last_synced_at = excluded.last_synced_at
"""


async def upsert_sync_state(connection: Connection, base_id: str, commit: str) -> None:
    """Store the index state that the Node application reads."""
    await connection.execute(UPSERT_SYNC_STATE, base_id, commit)


DELETE_SYNC_STATE = "DELETE FROM knowledge_sync_state WHERE knowledge_base_id = $1"


async def delete_sync_state(connection: Connection, base_id: str) -> None:
    """Delete the index state that the Node application reads."""
    await connection.execute(DELETE_SYNC_STATE, base_id)
