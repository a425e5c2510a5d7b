"""HTTP of the search."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from knowledge.bases.wire import NOT_FOUND, BaseId, OneVersion
from knowledge.resources import ResourcesParam
from knowledge.search.use_cases import search
from knowledge.search.wire import HitJson, hit_json
from servicekit.answers import data, require_storable
from servicekit.auth import CallerParam
from servicekit.list_parameters import Digits
from servicekit.openapi import answering
from servicekit.routing import create_api_router

MAX_LIMIT = 50
MAX_QUESTION = 8_000


def create_router(exact_rows: int) -> APIRouter:
    """``exact_rows``: bases of up to this many chunks are searched exactly."""
    router = create_api_router("/api/knowledge-bases", ["search"])

    @router.get("/{kb_id}/search", **answering(list[HitJson], errors=NOT_FOUND))
    async def search_knowledge_base(
        kb_id: BaseId,
        q: Annotated[str, Query(min_length=1, max_length=MAX_QUESTION)],
        caller: CallerParam,
        resources: ResourcesParam,
        limit: Annotated[int, Digits, Query(ge=1, le=MAX_LIMIT)] = 5,
        version: OneVersion = None,
    ) -> Response:
        """The chunks nearest to ``q``, best first; ``score`` is the cosine similarity. Without ``version``
        they are of the base's own version, or of the one synced last while that waits for its first sync."""
        require_storable([("q", q), ("version", version or "")])
        hits = await search(
            resources.pool,
            resources.embedder,
            kb_id,
            q,
            limit,
            exact_rows,
            user_id=caller.user_id,
            version=version,
        )
        return data([hit_json(hit) for hit in hits])

    return router
