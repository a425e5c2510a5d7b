"""SQL of the chunks' rows. Functions take a connection, run one statement and never commit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from pgvector import Vector

from common.postgres import Connection
from knowledge.content.chunks.records import Chunk
from knowledge.embeddings import Vectors

LIST_CHUNK_IDS = "SELECT id FROM knowledge_embeddings WHERE knowledge_base_id = $1 AND version = $2"


async def list_chunk_ids(connection: Connection, base_id: str, version: str) -> set[UUID]:
    """Ids of the stored rows, of any writer."""
    return {row["id"] for row in await connection.fetch(LIST_CHUNK_IDS, base_id, version)}


LIST_CONTENTS = "SELECT id, content, metadata FROM knowledge_embeddings WHERE id = ANY($1::uuid[])"


async def list_contents(connection: Connection, chunk_ids: Sequence[UUID]) -> dict[UUID, tuple[str, Any]]:
    """The text and the metadata of these rows, of any writer."""
    rows = await connection.fetch(LIST_CONTENTS, chunk_ids)
    return {row["id"]: (row["content"], row["metadata"]) for row in rows}


DELETE_CHUNKS = "DELETE FROM knowledge_embeddings WHERE id = ANY($1::uuid[])"


async def delete_chunks(connection: Connection, chunk_ids: Iterable[UUID], seconds: float) -> None:
    """Delete these rows within ``seconds``. Each costs milliseconds in the HNSW index."""
    await connection.execute(DELETE_CHUNKS, list(chunk_ids), timeout=seconds)


UPDATE_PLACES = """
UPDATE knowledge_embeddings AS chunk SET metadata = chunk.metadata || moved.place
FROM unnest($1::uuid[], $2::jsonb[]) AS moved (id, place)
WHERE chunk.id = moved.id AND NOT chunk.metadata @> moved.place
"""


async def update_places(
    connection: Connection, places: Mapping[UUID, Mapping[str, Any]], seconds: float
) -> int:
    """Set these rows' places in their files. Returns the number of rows that had another place."""
    done = await connection.execute(UPDATE_PLACES, list(places), list(places.values()), timeout=seconds)
    return int(done.rpartition(" ")[2])


CHUNK_COLUMNS = ("id", "knowledge_base_id", "version", "content", "metadata", "embedding")


async def copy_chunks(
    connection: Connection,
    base_id: str,
    version: str,
    rows: Iterable[tuple[Chunk, Vectors]],
    seconds: float,
) -> None:
    """Write chunks with their vectors by one binary COPY. ``connection`` has the binary codecs."""
    await connection.copy_records_to_table(
        "knowledge_embeddings",
        columns=CHUNK_COLUMNS,
        records=(
            (
                chunk.id,
                base_id,
                version,
                chunk.content,
                chunk.metadata(),
                Vector(vector),
            )
            for chunk, vector in rows
        ),
        timeout=seconds,
    )


GET_BACKEND = "SELECT pg_backend_pid()"


async def get_backend(connection: Connection) -> int:
    """The process id of the server process that runs this transaction."""
    pid: int = await connection.fetchval(GET_BACKEND)
    return pid


GET_COPIED_ROWS = "SELECT tuples_processed FROM pg_stat_progress_copy WHERE pid = $1"


async def get_copied_rows(connection: Connection, backend: int) -> int:
    """How many rows the COPY in ``backend`` has written. Thousands more may have been sent: they wait in the
    connection's buffers."""
    rows: int | None = await connection.fetchval(GET_COPIED_ROWS, backend)
    return rows or 0


DELETE_CHUNKS_OF_BASE = "DELETE FROM knowledge_embeddings WHERE knowledge_base_id = $1"


async def delete_chunks_of_base(connection: Connection, base_id: str, seconds: float) -> int:
    """Delete the rows of every version, of any writer. Returns their number."""
    status: str = await connection.execute(DELETE_CHUNKS_OF_BASE, base_id, timeout=seconds)
    return int(status.rpartition(" ")[2])
