"""Finds the chunks of knowledge bases that answer a question."""

import time
from collections.abc import Sequence
from dataclasses import replace

import structlog

from common.errors import Conflict, Forbidden, NotFound, TakaroError, TransientError
from common.postgres import Pool
from knowledge.embeddings.questions import Questions, Vector
from knowledge.search import repository, surroundings_repository
from knowledge.search.nearest import nearest
from knowledge.search.records import (
    Answer,
    Found,
    Hit,
    Place,
    Plan,
    Question,
    Surroundings,
    Target,
    Wanted,
    place_of,
)

log = structlog.get_logger()


async def search(
    pool: Pool,
    questions: Questions,
    wanted: Wanted,
    asked: Sequence[Question],
    *,
    neighbours: int = 0,
    linked: bool = False,
) -> list[Answer]:
    """The ``wanted.limit`` chunks that answer each question of ``asked``, best first; fewer only if the bases
    have fewer that fit.

    Each question reads one state of the bases, before or after a sync: of ``version``, else of each base's
    current version, or of the previous one until the current one is synced. ``neighbours`` chunks before and
    after each hit are shown beside it, with ``linked`` where the hits came from.

    Raises ``NotFound`` for an unknown base or version, ``Forbidden`` for another user's private base,
    ``Conflict`` for one whose vectors another model made, and ``TransientError`` while questions can't be
    embedded.
    """
    started = time.perf_counter()
    texts = [question.text for question in asked if question.vector is None and question.text is not None]
    if not questions.remembers(texts):  # nobody's refused question is embedded
        await _check_first(pool, wanted)
    embedding = time.perf_counter()
    vectors = dict(zip(texts, await _embed(questions, texts), strict=True))
    took = {"check": (embedding - started) * 1000, "embed": (time.perf_counter() - embedding) * 1000}
    answers = []
    for question in asked:
        vector = vectors[question.text or ""] if question.vector is None else question.vector
        found = check_found(await nearest(pool, wanted, vector), wanted)
        answers.append(Answer(found, "cosine", Surroundings(), took))
    if neighbours or linked:
        return await _with_surroundings(pool, answers, neighbours)
    return answers


def check_found(found: Found, wanted: Wanted) -> Found:
    """Return ``found``. Raises as :func:`search`, for the first base that may not be searched."""
    targets = {target.base_id: target for target in found.targets}
    alone = len(wanted.base_ids) == 1
    for base_id in wanted.base_ids:
        _check(targets.get(base_id), wanted.model, "" if alone else f"Knowledge base {base_id!r}")
    return found


async def _check_first(pool: Pool, wanted: Wanted) -> None:
    async with pool.acquire() as connection:
        targets = [
            await repository.get_target(connection, base_id, wanted.user_id, wanted.version)
            for base_id in wanted.base_ids
        ]
    known = [target for target in targets if target is not None]
    check_found(Found(known, [], Plan("none", "", {})), wanted)


async def _with_surroundings(pool: Pool, answers: Sequence[Answer], neighbours: int) -> list[Answer]:
    started = time.perf_counter()
    hits = [hit for answer in answers for hit in answer.found.hits]
    versions = {(hit.base_id, hit.version) for hit in hits}
    async with pool.acquire() as connection:
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


def _check(target: Target | None, model: str, name: str) -> None:
    if target is None:
        raise NotFound(f"{name or 'Knowledge base'} not found", code="knowledge_base_not_found")
    if not target.visible:
        raise Forbidden
    name = name or "This knowledge base"
    if target.model is None and not target.chunk_count and not target.current:
        raise NotFound(f"{name} has no version {target.version!r}", code="version_not_found")
    if target.chunk_count and target.model != model:
        raise Conflict(
            f"{name} was embedded with {target.model or 'an unknown model'}, and searches "
            f"are made with {model}: sync it to embed it again",
            code="model_mismatch",
        )
