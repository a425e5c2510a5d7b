"""The chunks of one or several bases that answer a question by meaning and by words: one round trip."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pgvector import Vector

from common.postgres import Pool
from knowledge.content.binary_codecs import register_binary
from knowledge.embeddings import Vectors
from knowledge.search import hybrid_repository
from knowledge.search.nearest import hit_of, plan_of, target_of
from knowledge.search.records import Found, Wanted


async def hybrid(pool: Pool, wanted: Wanted, vector: Sequence[float] | Vectors, text: str) -> Found:
    """The chunks that are near to ``vector``, or have words of ``text``, best first by reciprocal rank
    fusion: never fewer than ``wanted.limit`` if so many pass the filter and ``min_score``.

    ``vector`` and ``text`` are the same question. It reads what :func:`knowledge.search.nearest.nearest`
    reads. ``score`` is the sum over both rankings of 1/(5 + rank); ``cosine`` is in full precision, also of
    a chunk that was found by its words.
    """
    started = time.perf_counter()
    query = Vector(np.asarray(vector, dtype=np.float32))
    async with pool.acquire() as connection:
        await register_binary(connection)  # once for each connection
        acquired = time.perf_counter()
        rows = await hybrid_repository.find_hybrid(connection, wanted, query, text)
    targets = [row for row in rows if row["chunk"] is None]
    hits = [replace(hit_of(row), cosine=row["cosine"]) for row in rows if row["chunk"] is not None]
    hits.sort(key=lambda hit: (-hit.score, -(hit.cosine or 0), hit.chunk))
    milliseconds = {
        "connection": (acquired - started) * 1000,
        "hybrid": (time.perf_counter() - acquired) * 1000,
    }
    plan = plan_of(targets, milliseconds)
    reason = f"{plan.reason}; with those that have the question's words"
    return Found([target_of(row) for row in targets], hits, replace(plan, kind="hybrid", reason=reason))
