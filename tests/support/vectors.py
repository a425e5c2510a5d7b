"""Bases of given vectors, without a sync."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pgvector import Vector

from common.postgres import Connection, Pool
from knowledge.content.binary_codecs import register_binary

MODEL = "synthetic"

_BASE = """
INSERT INTO knowledge_bases (id, name, source, origin, owner, public)
VALUES ($1, $1, 'file:///none', 'api', $2, $2::varchar IS NULL) ON CONFLICT DO NOTHING
"""
_MADE = """
INSERT INTO knowledge_indexes
    (knowledge_base_id, version, model, fingerprint, definition, commit_sha, chunk_count)
VALUES ($1, 'latest', $2, 'f', 'd', 'c', $3)
ON CONFLICT (knowledge_base_id, version) DO UPDATE SET chunk_count = excluded.chunk_count
"""
_COLUMNS = ("knowledge_base_id", "version", "content", "metadata", "embedding")


def clustered(generator: np.random.Generator, count: int, *, centre: int) -> np.ndarray:
    """Unit vectors around a direction of their own."""
    vectors = generator.normal(size=(count, 1536)).astype(np.float32) * 0.05
    vectors[:, centre] += 1
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def numbered(number: int) -> Mapping[str, Any]:
    return {"sourceFile": f"f{number}.md", "number": number}


async def insert_base(
    pool: Pool,
    base_id: str,
    vectors: np.ndarray,
    *,
    owner: str | None = None,
    model: str = MODEL,
    metadata: Callable[[int], Mapping[str, Any]] = numbered,
    content: Callable[[int], str] = "chunk {}".format,
) -> None:
    """A base of one chunk for each vector; public without an ``owner``."""
    async with pool.acquire() as connection:
        await connection.execute(_BASE, base_id, owner)
        await insert_chunks(connection, base_id, vectors, metadata, content)
        await connection.execute(_MADE, base_id, model, len(vectors))


async def insert_chunks(
    connection: Connection,
    base_id: str,
    vectors: np.ndarray,
    metadata: Callable[[int], Mapping[str, Any]] = numbered,
    content: Callable[[int], str] = "chunk {}".format,
) -> None:
    await register_binary(connection)
    await connection.copy_records_to_table(
        "knowledge_embeddings",
        columns=_COLUMNS,
        records=[(base_id, "latest", content(i), metadata(i), Vector(row)) for i, row in enumerate(vectors)],
        timeout=120,
    )


def nearest_of(vectors: np.ndarray, query: np.ndarray, limit: int) -> list[str]:
    """The contents of the chunks that are nearest to ``query``, best first."""
    return [f"chunk {i}" for i in np.argsort(-(vectors @ query), kind="stable")[:limit]]
