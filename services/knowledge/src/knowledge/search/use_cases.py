"""Finds the chunks of knowledge bases that answer a question."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import structlog

from common.errors import Conflict, Forbidden, Invalid, NotFound, TakaroError, TransientError
from common.postgres import Pool
from knowledge.embeddings.questions import Questions, Vector
from knowledge.embeddings.reranking import Reranker
from knowledge.search import repository, surroundings_repository
from knowledge.search.hybrid import hybrid
from knowledge.search.matching import matching
from knowledge.search.nearest import nearest
from knowledge.search.records import (
    Answer,
    Found,
    Hit,
    Mode,
    Place,
    Plan,
    Question,
    ScoreKind,
    Shown,
    Surroundings,
    Target,
    Wanted,
    place_of,
)
from knowledge.search.reranked import reranked

log = structlog.get_logger()

PLAIN = Shown()
_KINDS: Mapping[Mode, ScoreKind] = {"hybrid": "rrf", "vector": "cosine", "text": "bm25"}


@dataclass(slots=True, frozen=True)
class Means:
    """What a search needs. The best ``candidates`` hits are reranked, or as many as are wanted. Postgres may
    take ``seconds`` for a question."""

    pool: Pool
    questions: Questions
    reranker: Reranker | None = None
    candidates: int = 50
    seconds: float = 10.0


async def search(
    means: Means, wanted: Wanted, asked: Sequence[Question], mode: Mode, shown: Shown = PLAIN
) -> list[Answer]:
    """The ``wanted.limit`` chunks that answer each question of ``asked``, best first; fewer only if the bases
    have fewer that fit.

    By ``vector`` those whose meaning is nearest, by ``text`` those that have its rarest words, ``hybrid``
    both. Each question reads one state of the bases, before or after a sync: of ``version``, else of each
    base's current version, or of the previous one until the current one is synced.

    Raises ``NotFound`` for an unknown base or version, ``Forbidden`` for another user's private base,
    ``Conflict`` for one whose vectors another model made (not by ``text``), ``TransientError`` while
    questions can't be embedded, and ``Invalid`` for a wish to rerank where nothing does.
    """
    if shown.rerank and means.reranker is None:
        reason = "nothing reranks here: the service's operator sets RERANK_URL"
        raise Invalid("Validation failed", details={"rerank": [reason]}, code="no_reranker")
    started = time.perf_counter()
    texts = [question.text for question in asked if question.text is not None] if mode != "text" else []
    if not means.questions.remembers(texts):  # nobody's refused question is embedded
        await _check_first(means, wanted)
    embedding = time.perf_counter()
    vectors = dict(zip(texts, await _embed(means.questions, texts), strict=True))
    took = {"check": (embedding - started) * 1000, "embed": (time.perf_counter() - embedding) * 1000}
    more = replace(wanted, limit=max(wanted.limit, means.candidates)) if shown.rerank else wanted
    answers = []
    for question in asked:
        vector = question.vector if question.text is None else vectors.get(question.text)
        found = check_found(await _find(means, more, question, vector, mode), wanted, mode)
        answers.append(Answer(found, _KINDS[mode], Surroundings(), took))
    if shown.rerank and means.reranker is not None:
        rerank = partial(reranked, means.reranker, limit=wanted.limit)
        answers = list(await asyncio.gather(*map(rerank, asked, answers)))
    if shown.neighbours or shown.linked:
        return await _with_surroundings(means, answers, shown.neighbours)
    return answers


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """What Postgres does inside is cancelled after this time. Raises ``TransientError`` then."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        reason = f"The search took longer than {seconds:g} s: try again, or ask less of it"
        raise TransientError(reason, code="search_timeout") from error


async def _find(means: Means, wanted: Wanted, question: Question, vector: Vector | None, mode: Mode) -> Found:
    async with _within(means.seconds):
        if mode == "text":
            return await matching(means.pool, wanted, question.text or "")
        assert vector is not None, "it was embedded, or given"
        if mode == "hybrid":
            return await hybrid(means.pool, wanted, vector, question.text or "")
        return await nearest(means.pool, wanted, vector)


def check_found(found: Found, wanted: Wanted, mode: Mode) -> Found:
    """Return ``found``. Raises as :func:`search`, for the first base that may not be searched."""
    model = None if mode == "text" else wanted.model
    targets = {target.base_id: target for target in found.targets}
    alone = len(wanted.base_ids) == 1
    for base_id in wanted.base_ids:
        _check(targets.get(base_id), model, "" if alone else f"Knowledge base {base_id!r}")
    return found


async def _check_first(means: Means, wanted: Wanted) -> None:
    async with _within(means.seconds), means.pool.acquire() as connection:
        known = await repository.list_targets(connection, wanted.base_ids, wanted.user_id, wanted.version)
    check_found(Found(known, [], Plan("none", "", {})), wanted, "vector")


async def _with_surroundings(means: Means, answers: Sequence[Answer], neighbours: int) -> list[Answer]:
    started = time.perf_counter()
    hits = [hit for answer in answers for hit in answer.found.hits]
    versions = {(hit.base_id, hit.version) for hit in hits}
    async with _within(means.seconds), means.pool.acquire() as connection:
        origins = await surroundings_repository.list_origins(connection, versions) if versions else {}
        places = _near(hits, neighbours)
        near = await surroundings_repository.list_near(connection, places) if places else {}
    took = {"surroundings": (time.perf_counter() - started) * 1000}
    around = Surroundings(origins, near)
    return [
        replace(answer, surroundings=around, milliseconds=answer.milliseconds | took) for answer in answers
    ]


def _near(hits: Sequence[Hit], neighbours: int) -> list[Place]:
    found: dict[Place, None] = {}
    for place in filter(None, map(place_of, hits)):
        for index in range(max(0, place.index - neighbours), place.index + neighbours + 1):
            if index != place.index:
                found[replace(place, index=index)] = None
    return list(found)


async def _embed(questions: Questions, texts: Sequence[str]) -> list[Vector]:
    """The questions' vectors. If the embedder's API fails, its message is only logged: it may contain
    addresses, accounts and keys, which are for the operator alone."""
    try:
        return await questions.embed(texts)
    except TakaroError as error:
        log.warning("question not embedded", model=questions.model, error=error.reason, code=error.code)
        raise TransientError(
            "Search is unavailable: the question can't be embedded now", code="embedder_unavailable"
        ) from error


def _check(target: Target | None, model: str | None, name: str) -> None:
    if target is None:
        raise NotFound(f"{name or 'Knowledge base'} not found", code="knowledge_base_not_found")
    if not target.visible:
        raise Forbidden
    name = name or "This knowledge base"
    if target.model is None and not target.chunk_count and not target.current:
        raise NotFound(f"{name} has no version {target.version!r}", code="version_not_found")
    if model is not None and target.chunk_count and target.model != model:
        raise Conflict(
            f"{name} was embedded with {target.model or 'an unknown model'}, and searches "
            f"are made with {model}: sync it to embed it again "
            f"(POST /api/knowledge-bases/{target.base_id}/sync)",
            code="model_mismatch",
        )
