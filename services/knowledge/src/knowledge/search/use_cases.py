"""Finds the chunks of a knowledge base that are nearest to a question."""

import time
from collections.abc import Sequence

import structlog

from common.errors import Conflict, Forbidden, NotFound, TakaroError, TransientError
from common.postgres import Connection, Pool, transaction, tried_again
from knowledge.embeddings import Embedder
from knowledge.search import repository
from knowledge.search.records import Found, Hit, Plan, Target, Wanted

log = structlog.get_logger()


async def search(
    pool: Pool,
    embedder: Embedder,
    base_id: str,
    question: str,
    limit: int,
    exact_rows: int,
    *,
    user_id: str = "",
    version: str | None = None,
) -> Sequence[Hit]:
    """The ``limit`` chunks most similar to ``question``, best first; fewer only if the base has fewer.

    Reads one state of the base, before or after a sync: of ``version``, else of its current version, or of
    the previous one until the current one is synced. Raises ``NotFound`` for an unknown base or version,
    ``Forbidden`` for another user's private base, ``Conflict`` for one whose vectors another model made, and
    ``TransientError`` while questions can't be embedded.
    """
    wanted = Wanted((base_id,), user_id, version, limit, None, None, embedder.model)
    async with pool.acquire() as asking:
        await _find_target(asking, wanted, base_id)
    vector = await _embed(embedder, question)
    return (await _nearest(pool, wanted, vector, exact_rows)).hits


@tried_again  # without embedding the question again
async def _nearest(pool: Pool, wanted: Wanted, vector: Sequence[float], exact_rows: int) -> Found:
    started = time.perf_counter()
    [base_id] = wanted.base_ids
    async with transaction(pool, isolation="repeatable_read", readonly=True) as connection:
        target = await _find_target(connection, wanted, base_id)
        kind, hits = await _compare(connection, target, vector, wanted.limit, exact_rows)
    reason = f"{target.chunk_count} chunks"
    return Found([target], hits, Plan(kind, reason, {"nearest": (time.perf_counter() - started) * 1000}))


async def _compare(
    connection: Connection, target: Target, vector: Sequence[float], limit: int, exact_rows: int
) -> tuple[str, Sequence[Hit]]:
    if target.chunk_count > exact_rows:
        await repository.set_hnsw(connection)
        hits = await repository.search_by_index(connection, vector, target.base_id, target.version, limit)
        if len(hits) == min(limit, target.chunk_count):
            return "index", hits
        # The scan gave up among other bases' rows (hnsw.max_scan_tuples); comparing all rows always finds
        # enough.
    return "exact", await repository.search_exactly(connection, vector, target.base_id, target.version, limit)


async def _embed(embedder: Embedder, question: str) -> list[float]:
    """The question's vector. If the embedder's API fails, its message is only logged: it may contain
    addresses, accounts and keys, which are for the operator alone."""
    try:
        vectors = await embedder.embed([question], urgent=True)
    except TakaroError as error:
        log.warning("question not embedded", model=embedder.model, error=error.reason, code=error.code)
        raise TransientError(
            "Search is unavailable: the question can't be embedded now", code="embedder_unavailable"
        ) from error
    vector: list[float] = vectors[0].tolist()
    return vector


async def _find_target(connection: Connection, wanted: Wanted, base_id: str) -> Target:
    found = await repository.get_target(connection, base_id, wanted.user_id, wanted.version)
    return _check(found, wanted.model)


def _check(target: Target | None, model: str) -> Target:
    if target is None:
        raise NotFound("Knowledge base not found")
    if not target.visible:
        raise Forbidden
    if target.model is None and not target.chunk_count and not target.current:
        raise NotFound(f"This knowledge base has no version {target.version!r}", code="version_not_found")
    if target.chunk_count and target.model != model:
        raise Conflict(
            f"This knowledge base was embedded with {target.model or 'an unknown model'}, and searches "
            f"are made with {model}: sync it to embed it again",
            code="model_mismatch",
        )
    return target
