"""Write the rows of new chunks. The HNSW index decides what it costs: milliseconds a row, more the larger."""

from collections.abc import Sequence

import numpy as np

from common.postgres import Connection
from knowledge.bases.records import KnowledgeBase
from knowledge.content.cache import repository as cache_repository
from knowledge.content.chunks import repository as chunk_repository
from knowledge.content.chunks.records import Chunk
from knowledge.embeddings import DIMENSIONS, Vectors
from knowledge.sync.progress import Progress

ROWS_A_COPY = 5_000
"""Rows in one COPY. Their vectors (31 MB) are all of the base that is in memory at once."""

ROWS_A_FETCH = 500

PIVOTS = 64


async def copy_chunks(
    connection: Connection,
    base: KnowledgeBase,
    model: str,
    chunks: Sequence[Chunk],
    progress: Progress,
    seconds: float,
) -> None:
    """Write the rows of ``chunks``, which are new. Their embeddings are in the cache.

    ``connection`` has the binary codecs. One COPY may take up to ``seconds``. ``progress`` is told of
    the rows of each COPY when it is done: Postgres itself counts those of the one under way.
    """
    progress.begin_writing(len(chunks))
    for part in _parts(chunks, ROWS_A_COPY):
        vectors = await _vectors(connection, model, part)
        order = neighbours_together(vectors)
        rows = ((part[i], vectors[i]) for i in order)
        await chunk_repository.copy_chunks(connection, base.id, base.version, rows, seconds)
        progress.add_written(len(part))


def neighbours_together(vectors: Vectors) -> list[int]:
    """The order of rows in which each is among rows like it: by the nearest of some of them, taken evenly.

    A row is put into the index beside its nearest neighbours: when they have just been written, their pages
    are in the processor's cache. Measured: up to 20 % less time, the same recall. (Outwards from the nearest
    is a little faster still, and loses recall.)
    """
    pivots = vectors[:: max(1, len(vectors) // PIVOTS)]
    order: list[int] = (vectors @ pivots.T).argmax(axis=1).argsort(kind="stable").tolist()
    return order


async def _vectors(connection: Connection, model: str, chunks: Sequence[Chunk]) -> Vectors:
    """Shape (number of chunks, 1536)."""
    vectors = np.empty((len(chunks), DIMENSIONS), dtype=np.float32)
    row = 0
    for part in _parts(chunks, ROWS_A_FETCH):
        cached = await cache_repository.get_cached(connection, model, [chunk.content_hash for chunk in part])
        for chunk in part:
            vectors[row] = cached[chunk.content_hash].to_numpy()
            row += 1
    return vectors


def _parts(chunks: Sequence[Chunk], size: int) -> list[Sequence[Chunk]]:
    return [chunks[start : start + size] for start in range(0, len(chunks), size)]
