"""One question to one base, as most tests ask it."""

from collections.abc import Sequence
from typing import Any

from common.postgres import Pool
from knowledge.embeddings import Embedder
from knowledge.embeddings.questions import Questions
from knowledge.search.filters import compile_filter
from knowledge.search.records import Hit, Mode, Question, Wanted
from knowledge.search.use_cases import Means
from knowledge.search.use_cases import search as answer


async def search(
    pool: Pool,
    embedder: Embedder,
    base_id: str,
    question: str,
    limit: int,
    *,
    user_id: str = "",
    version: str | None = None,
    min_score: float | None = None,
    filters: dict[str, Any] | None = None,
    mode: Mode = "vector",
) -> Sequence[Hit]:
    """The hits; no question is remembered."""
    wanted = Wanted((base_id,), user_id, version, limit, min_score, compile_filter(filters), embedder.model)
    [found] = await answer(Means(pool, Questions(embedder, 0)), wanted, [Question(question)], mode)
    return found.found.hits
