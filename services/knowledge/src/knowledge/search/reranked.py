"""Sorts the hits of an answer by a reranker; if that fails, or takes too long, the answer stays as it was."""

import time
from dataclasses import replace

from knowledge.embeddings.reranking import NotReranked, Reranker
from knowledge.search.records import Answer, Question


async def reranked(reranker: Reranker, question: Question, answer: Answer, *, limit: int) -> Answer:
    """The best ``limit`` hits of ``answer``, by the reranker's scores. Otherwise its first ``limit`` hits,
    with their own scores and the reason."""
    started = time.perf_counter()
    found, reason = answer.found, None
    try:
        passages = [hit.content for hit in found.hits]
        ranked = await reranker.rank(question.text or "", passages, limit)
        hits = [replace(found.hits[index], score=score) for index, score in ranked[:limit]]
    except NotReranked as error:
        hits, reason = list(found.hits[:limit]), str(error)
    return replace(
        answer,
        found=replace(found, hits=hits),
        kind=answer.kind if reason else "rerank",
        milliseconds=answer.milliseconds | {"rerank": (time.perf_counter() - started) * 1000},
        not_reranked=reason,
    )
