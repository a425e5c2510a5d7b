"""The chunks of one or several bases that have the words of a question: one round trip a search."""

import time

from common.postgres import Pool
from knowledge.content.binary_codecs import register_binary
from knowledge.content.chunks.records import metadata_of
from knowledge.search import matching_repository
from knowledge.search.nearest import target_of
from knowledge.search.records import Found, Hit, Plan, Wanted


async def matching(pool: Pool, wanted: Wanted, text: str) -> Found:
    """The chunks with the rarest words of ``text`` and the most of them, best first: never fewer than
    ``wanted.limit`` if so many that pass the filter have one of its words.

    ``text`` isn't a language: operators of searches are words or nothing in it. Stop words of the base's
    language match nothing. All of it is read from one state of the bases, before or after a sync. ``score``
    is Okapi BM25: more than 0, and comparable within one answer only. There is no vector, so ``min_score``
    and ``wanted.model`` count for nothing.
    """
    started = time.perf_counter()
    async with pool.acquire() as connection:
        await register_binary(connection)  # once for each connection
        acquired = time.perf_counter()
        rows = await matching_repository.find_matching(connection, wanted, text)
    targets = [target_of(row) for row in rows if row["chunk"] is None]
    hits = [
        Hit(
            row["chunk"],
            row["base_id"],
            row["version"],
            row["content"],
            metadata_of(row["metadata"]),
            row["score"],
            None,
        )
        for row in rows
        if row["chunk"] is not None
    ]
    hits.sort(key=lambda hit: (-hit.score, hit.chunk))
    reason = "; ".join(
        f"{target.base_id}: {target.chunk_count:,} chunks, by their words" for target in targets
    )
    milliseconds = {
        "connection": (acquired - started) * 1000,
        "matching": (time.perf_counter() - acquired) * 1000,
    }
    return Found(targets, hits, Plan("text", reason, milliseconds))
