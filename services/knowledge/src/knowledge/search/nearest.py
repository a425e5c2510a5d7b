"""The chunks of one or several bases that are nearest to a vector: one round trip a search."""

import time
from collections.abc import Sequence

import numpy as np
from asyncpg import Record
from pgvector import Vector

from common.postgres import Pool
from knowledge.content.binary_codecs import register_binary
from knowledge.content.chunks.records import metadata_of
from knowledge.embeddings import Vectors
from knowledge.search import nearest_repository
from knowledge.search.records import Found, Hit, Plan, Target, Wanted


async def nearest(pool: Pool, wanted: Wanted, vector: Sequence[float] | Vectors) -> Found:
    """The chunks most similar to ``vector`` (1536 numbers), best first: never fewer than ``wanted.limit`` if
    so many pass the filter and ``min_score``.

    All of it is read from one state of the bases, before or after a sync. Compared are the chunks of targets
    that the user may search and whose model is ``wanted.model``. ``score`` is the cosine in full precision;
    that of a vector of zeros is 0. The plan is ``exact`` or ``index``, or ``mixed`` for several bases.
    """
    started = time.perf_counter()
    query = Vector(np.asarray(vector, dtype=np.float32))
    async with pool.acquire() as connection:
        await register_binary(connection)  # once for each connection
        acquired = time.perf_counter()
        rows = await nearest_repository.find_nearest(connection, wanted, query)
    targets = [row for row in rows if row["chunk"] is None]
    hits = [hit_of(row) for row in rows if row["chunk"] is not None]
    hits.sort(key=lambda hit: (-hit.score, hit.chunk))
    milliseconds = {
        "connection": (acquired - started) * 1000,
        "nearest": (time.perf_counter() - acquired) * 1000,
    }
    return Found([target_of(row) for row in targets], hits, plan_of(targets, milliseconds))


def target_of(row: Record) -> Target:
    """A row of ``target`` in :mod:`knowledge.search.nearest_repository`."""
    return Target(
        row["base_id"], row["visible"], row["version"], row["current"], row["model"], row["chunk_count"]
    )


def hit_of(row: Record) -> Hit:
    """A row of a chunk, whose score is its cosine."""
    return Hit(
        row["chunk"],
        row["base_id"],
        row["version"],
        row["content"],
        metadata_of(row["metadata"]),
        row["score"],
        row["score"],
    )


def plan_of(targets: Sequence[Record], milliseconds: dict[str, float]) -> Plan:
    """How the targets' chunks were compared, and why."""
    kinds = {_kind(target) for target in targets if target["by_index"] is not None}
    return Plan(
        "mixed" if len(kinds) > 1 else next(iter(kinds), "exact"),
        "; ".join(f"{target['base_id']}: {_reason(target)}" for target in targets),
        milliseconds,
    )


def _kind(target: Record) -> str:
    return "index" if target["by_index"] else "exact"


def _reason(target: Record) -> str:
    chunks = f"{target['chunk_count']:,} chunks"
    if target["by_index"] is None:
        return f"{chunks}, none compared"
    if target["by_index"]:
        return f"{chunks}, with an index of their own"
    if target["indexed"]:
        return f"{chunks}, whose index had too few that pass the filter: all that do were compared"
    return f"{chunks} without an index of their own: each was compared"
