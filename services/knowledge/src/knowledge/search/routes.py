"""HTTP of the search."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from common.errors import Invalid
from knowledge.bases.wire import NOT_FOUND, BaseId, OneVersion
from knowledge.resources import KnowledgeResources, ResourcesParam
from knowledge.search.filters import compile_filter
from knowledge.search.records import Mode, Question, Shown, Wanted
from knowledge.search.use_cases import Means, search
from knowledge.search.wire import (
    MAX_FILTER,
    MAX_QUESTION,
    AnswerJson,
    HitJson,
    Search,
    answer_json,
    hit_json,
    read_filter,
)
from servicekit.answers import data, require_storable
from servicekit.auth import CallerParam
from servicekit.list_parameters import Digits
from servicekit.openapi import answering
from servicekit.routing import create_api_router

MAX_LIMIT = 50
OTHER_MODEL = {409: "Another model than today's embedded the base: a sync embeds it again."}
MINIMUM = "Hits have at least this cosine similarity."
AS_JSON = "What chunks have to be, as JSON: `filters` of `POST /api/search`."


router = create_api_router("/api", ["search"])


@router.get("/knowledge-bases/{kb_id}/search", **answering(list[HitJson], errors=NOT_FOUND | OTHER_MODEL))
async def search_knowledge_base(
    kb_id: BaseId,
    q: Annotated[str, Query(min_length=1, max_length=MAX_QUESTION)],
    caller: CallerParam,
    resources: ResourcesParam,
    limit: Annotated[int, Digits, Query(ge=1, le=MAX_LIMIT)] = 5,
    version: OneVersion = None,
    mode: Annotated[Mode, Query(description="How chunks are found.")] = "vector",
    min_score: Annotated[float | None, Query(alias="minScore", ge=-1, le=1, description=MINIMUM)] = None,
    filters: Annotated[
        str | None,
        Query(
            alias="filter",
            max_length=MAX_FILTER,
            description=AS_JSON,
            json_schema_extra={"contentMediaType": "application/json"},
        ),
    ] = None,
) -> Response:
    """The chunks nearest to ``q``, best first; ``score`` is the cosine similarity, or that of ``mode``.
    Without ``version`` they are of the base's own version, or of the one synced last while that waits for its
    first sync."""
    require_storable([("q", q), ("version", version or "")])
    wanted = Wanted(
        (kb_id,),
        caller.user_id,
        version,
        limit,
        min_score,
        _compiled(filters),
        resources.questions.model,
    )
    if mode == "text" and min_score is not None:
        raise Invalid("Validation failed", details={"minScore": ["mode text computes no cosine"]})
    [answer] = await search(means_of(resources), wanted, [Question(q)], mode)
    return data([hit_json(hit) for hit in answer.found.hits])


@router.post("/search", **answering(list[AnswerJson], errors=NOT_FOUND | OTHER_MODEL))
async def search_knowledge_bases(body: Search, caller: CallerParam, resources: ResourcesParam) -> Response:
    """Search one or several bases. The answer has one item for each question, in order."""
    wanted = Wanted(
        tuple(body.knowledge_base_ids),
        caller.user_id,
        body.version,
        body.limit,
        body.min_score,
        compile_filter(body.filters),
        resources.questions.model,
    )
    shown = Shown(body.neighbours, linked=True, rerank=body.rerank)
    answers = await search(means_of(resources), wanted, body.questions(), body.mode, shown)
    return data([answer_json(each, neighbours=body.neighbours, explain=body.explain) for each in answers])


def means_of(resources: KnowledgeResources) -> Means:
    """What searches need, of the service's resources."""
    settings = resources.settings
    return Means(
        resources.pool,
        resources.questions,
        resources.reranker,
        settings.rerank_candidates,
        settings.search_seconds,
    )


def _compiled(text: str | None) -> str | None:
    try:
        return compile_filter(read_filter(text))
    except ValueError as error:
        raise Invalid("Validation failed", details={"filter": [str(error)]}) from error
