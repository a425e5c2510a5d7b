"""A model that reads a question beside each passage, and sorts them anew: any API of Cohere's form.

``POST {url}`` with ``{model, query, documents}``. The answer lists ``{index, relevance_score}`` in
``results`` (Cohere, Jina, vLLM, LiteLLM) or, as OpenAI's lists are called, in ``data`` (Voyage and others).
https://docs.cohere.com/reference/rerank, https://docs.voyageai.com/reference/reranker-api.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from prometheus_client import Counter

from common import codec

log = structlog.get_logger()

RERANKINGS = Counter(
    "takaro_knowledge_rerankings_total",
    "Answers that were to be reranked, by what became of that",
    ["outcome"],
)

MAX_ANSWER_BYTES = 1024 * 1024
"""A hundred passages take some 5 kB; some APIs send the passages back, which we don't ask for."""


class NotReranked(Exception):
    """The passages stay as they were. Its text is for callers: no address, no key, no words of the API."""


@dataclass(slots=True, frozen=True)
class RerankAccess:
    """Where the API is, its key and its model. An answer may take ``deadline_seconds`` in all."""

    url: str
    model: str
    api_key: str | None
    deadline_seconds: float


@dataclass(slots=True, frozen=True)
class Reranker:
    """Asks the API once for each question: who waits for an answer gets it by the deadline, in one order or
    the other."""

    http: httpx.AsyncClient
    access: RerankAccess

    async def rank(self, question: str, passages: Sequence[str], least: int) -> list[tuple[int, float]]:
        """The numbers of ``passages`` with their scores, best first: at least ``least`` of them, or all.
        Raises :class:`NotReranked`."""
        if not passages:
            return []
        try:
            async with asyncio.timeout(self.access.deadline_seconds):
                answer = await self._ask(question, passages)
            ranked = read_ranking(answer, len(passages), least)
        except TimeoutError:
            raise self._failed("late", f"no answer within {self.access.deadline_seconds:g} s") from None
        except httpx.HTTPError as error:
            raise self._failed("away", "the reranker can't be reached", repr(error)) from error
        except NotReranked as error:
            raise self._failed("refused", str(error)) from error
        RERANKINGS.labels("reranked").inc()
        return ranked

    async def _ask(self, question: str, passages: Sequence[str]) -> bytes:
        access = self.access
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if access.api_key:
            headers["Authorization"] = f"Bearer {access.api_key}"
        body = codec.dumps({"model": access.model, "query": question, "documents": list(passages)})
        async with self.http.stream(
            "POST",
            access.url,
            content=body,
            headers=headers,
            timeout=access.deadline_seconds,
            follow_redirects=False,
        ) as response:
            if response.status_code != 200:
                raise NotReranked(f"the reranker answered HTTP {response.status_code}")
            answer = bytearray()
            async for part in response.aiter_bytes():
                answer += part
                if len(answer) > MAX_ANSWER_BYTES:
                    raise NotReranked("the reranker's answer is too large")
            return bytes(answer)

    def _failed(self, outcome: str, reason: str, details: str = "") -> NotReranked:
        RERANKINGS.labels(outcome).inc()
        log.warning("not reranked", url=self.access.url, reason=reason, details=details)
        return NotReranked(reason)


def read_ranking(answer: bytes, count: int, least: int) -> list[tuple[int, float]]:
    """The API's ranking of ``count`` passages, best first. Raises :class:`NotReranked` for one that can't be
    true: not in this form, of passages that weren't sent or twice of one, without a number, or short."""
    try:
        said: dict[str, Any] = codec.loads(answer)
        items = said["results"] if "results" in said else said["data"]
        ranked = [(item["index"], item.get("relevance_score", item.get("score"))) for item in items]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotReranked("the reranker answered in another form") from error
    for index, score in ranked:
        known = isinstance(index, int) and not isinstance(index, bool) and 0 <= index < count
        if not known or isinstance(score, bool) or not isinstance(score, int | float):
            raise NotReranked("the reranker ranked passages that it wasn't sent")
        if not math.isfinite(score):
            raise NotReranked("the reranker gave a score that is no number")
    if len({index for index, _ in ranked}) < len(ranked) or len(ranked) < min(least, count):
        raise NotReranked("the reranker ranked too few passages, or one twice")
    return sorted(((index, float(score)) for index, score in ranked), key=lambda each: (-each[1], each[0]))
