"""Chunks for the benchmarks of search: bases of mixed sizes in one table, their vectors clustered as real
ones are.

A topic is a centre with a subspace of its own, in whose directions its vectors spread, less in each. Every
base has some topics; the second largest has all topics of the largest. A near query is a vector of the base's
own topics, a far one of a topic that another base has.
"""

import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import numpy as np
from pgvector import Vector

from common.postgres import prepare_connection
from knowledge.content.binary_codecs import register_binary
from knowledge.embeddings import DIMENSIONS, Vectors

MODEL = "clustered"
SIZES = {
    "largest": 100_000,
    "large": 40_000,
    "five-thousand": 5_000,
    "four-thousand": 4_000,
    "five-hundred": 500,
    "few-hundred": 420,
    "eighty": 80,
}
"""150,000 chunks in all."""

TOPICS = {
    "largest": range(120),
    "large": range(120),
    "five-thousand": range(60, 140),
    "four-thousand": range(130, 170),
    "five-hundred": range(165, 180),
    "few-hundred": range(10),
    "eighty": range(178, 181),
}
ALL_TOPICS = 200
DIRECTIONS = 24

FILTERS = {"50 %": "half", "5 %": "twentieth", "0.5 %": "rare"}
"""A key of the front matter whose value is true in that share of the chunks."""


@dataclass(slots=True, frozen=True)
class Topics:
    """``centres`` (topics, 1536); ``directions`` (topics, 24, 1536)."""

    centres: Vectors
    directions: Vectors

    @classmethod
    def make(cls, seed: int = 12) -> "Topics":
        generator = np.random.default_rng(seed)
        shape = (ALL_TOPICS, DIRECTIONS, DIMENSIONS)
        common = generator.normal(size=DIMENSIONS)  # what all texts of one language share
        centres = generator.normal(size=(ALL_TOPICS, DIMENSIONS)) + 0.8 * common
        return cls(
            centres.astype(np.float32),
            generator.normal(size=shape).astype(np.float32),
        )

    def draw(self, generator: np.random.Generator, topics: range, count: int) -> Vectors:
        """``count`` unit vectors of these topics, the first topics more often. Shape (count, 1536)."""
        weights = 1 / np.arange(2, len(topics) + 2)
        chosen = generator.choice(np.array(topics), size=count, p=weights / weights.sum())
        spread = generator.normal(size=(count, DIRECTIONS)) / np.sqrt(np.arange(1, DIRECTIONS + 1))
        noise = 0.35 * generator.normal(size=(count, DIMENSIONS)).astype(np.float32)
        vectors = self.centres[chosen] + noise
        for topic in np.unique(chosen):
            rows = chosen == topic
            vectors[rows] += 0.6 * spread[rows].astype(np.float32) @ self.directions[topic]
        unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def vectors_of(topics: Topics, base_id: str) -> Vectors:
    """The vectors of a base, always the same."""
    generator = np.random.default_rng(list(SIZES).index(base_id))
    return topics.draw(generator, TOPICS[base_id], SIZES[base_id])


def queries_of(topics: Topics, base_id: str, count: int, *, near: bool) -> Vectors:
    """Questions to a base, about its own topics or about those of others."""
    generator = np.random.default_rng(1000 + list(SIZES).index(base_id) + 100 * near)
    own = set(TOPICS[base_id])
    others = sorted({topic for topics_of in TOPICS.values() for topic in topics_of} - own)
    away = range(others[-1] - 9, others[-1] + 1)
    return topics.draw(generator, TOPICS[base_id] if near else away, count)


def id_of(base_id: str, number: int) -> UUID:
    return UUID(int=(list(SIZES).index(base_id) + 1) * 10_000_000 + number)


def metadata_of(number: int) -> dict[str, object]:
    """Every filter passes its share of the chunks, evenly."""
    matter = {"half": number % 2 == 0, "twentieth": number % 20 == 3, "rare": number % 200 == 7}
    return {
        "sourceFile": f"docs/f{number // 10}.md",
        "chunkIndex": number % 10,
        "totalChunks": 10,
        "frontMatter": matter,
    }


BASE = """
INSERT INTO knowledge_bases (id, name, source, origin, public)
VALUES ($1, $1, 'file:///none', 'settings', true)
"""
INDEX = """
INSERT INTO knowledge_indexes
    (knowledge_base_id, version, model, fingerprint, definition, commit_sha, chunk_count)
VALUES ($1, 'latest', $2, 'f', 'd', 'c', $3)
"""
COLUMNS = ("id", "knowledge_base_id", "version", "content", "metadata", "embedding")


async def fill(url: str, topics: Topics, bases: Collection[str] = tuple(SIZES)) -> float:
    """The bases with their chunks; the shared index is built afterwards, as that takes the least time.
    Returns how many seconds its build took."""
    connection = await asyncpg.connect(url)
    await prepare_connection(connection)
    await register_binary(connection)
    await connection.execute("DROP INDEX knowledge_embeddings_embedding_idx")
    for base_id in bases:
        size = SIZES[base_id]
        await connection.execute(BASE, base_id)
        await connection.execute(INDEX, base_id, MODEL, size)
        vectors = vectors_of(topics, base_id)
        for start in range(0, size, 5000):
            rows = [
                (
                    id_of(base_id, i),
                    base_id,
                    "latest",
                    f"{base_id} {i} " + "x" * 600,
                    metadata_of(i),
                    Vector(vectors[i]),
                )
                for i in range(start, min(start + 5000, size))
            ]
            await connection.copy_records_to_table("knowledge_embeddings", columns=COLUMNS, records=rows)
    await connection.execute("SET maintenance_work_mem = '2GB'")
    started = time.perf_counter()
    await connection.execute(
        "CREATE INDEX knowledge_embeddings_embedding_idx ON knowledge_embeddings "
        "USING hnsw (embedding vector_cosine_ops)"
    )
    seconds = time.perf_counter() - started
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return seconds


def share_filter(name: str) -> str:
    """The filter as a jsonpath."""
    return f"$.frontMatter.{json.dumps(FILTERS[name])} == true"


def passing_of(case: str, count: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The numbers of the chunks that pass a filter of :data:`FILTERS`; all for another name."""
    numbers = np.arange(count)
    if case not in FILTERS:
        return numbers
    divisor, remainder = {"half": (2, 0), "twentieth": (20, 3), "rare": (200, 7)}[FILTERS[case]]
    return numbers[numbers % divisor == remainder]
