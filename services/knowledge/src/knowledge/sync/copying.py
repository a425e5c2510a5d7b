"""Writes the rows of new chunks. The HNSW index dominates the cost: milliseconds a row, growing with its
size."""

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
"""Rows in one COPY. No more vectors of the base are in memory at once (31 MB)."""

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

    ``connection`` has the binary codecs. One COPY may take up to ``seconds``. ``progress`` is called with the
    rows of each finished COPY; Postgres itself counts those of the current one.
    """
    progress.begin_writing(len(chunks))
    for part in _parts(chunks, ROWS_A_COPY):
        vectors = await _vectors(connection, model, part)
        order = neighbours_together(vectors)
        rows = ((part[i], vectors[i]) for i in order)
        await chunk_repository.copy_chunks(connection, base.id, base.version, rows, seconds)
        progress.add_written(len(part))


def neighbours_together(vectors: Vectors) -> list[int]:
    """An order that puts similar rows next to each other: sorted by the nearest of a few evenly sampled rows.

    The index places a row beside its nearest neighbours. If those were just written, their pages are in the
    processor's cache. Measured: up to 20 % less time, the same recall. (Ordering outwards from the nearest is
    slightly faster, but loses recall.)
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
