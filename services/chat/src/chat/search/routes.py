"""HTTP of searches."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from chat.search import use_cases
from chat.search.rules import MAX_QUERY
from chat.search.wire import HitJson, hit_json
from contracts.storable import Text
from servicekit.answers import JSONAnswer
from servicekit.auth import CallerParam
from servicekit.keysets import Keyset, Moment, Place
from servicekit.list_parameters import CursorParam, Digits
from servicekit.openapi import answering_list
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

MAX_LIMIT = 50
"""Each message that is found is read for its fragments."""

HITS = Keyset("hits", tuple[Moment, UUID, Place], order="desc")

router = create_api_router("/api/messages", ["messages"])


@router.get("/search", **answering_list(HitJson))
async def search_messages(
    q: Annotated[
        Text,
        Query(
            min_length=1,
            max_length=MAX_QUERY,
            description='Words that all must be there, `"a phrase"`, `or`, `-without`.',
        ),
    ],
    caller: CallerParam,
    resources: ResourcesParam,
    limit: Annotated[int, Digits, Query(ge=1, le=MAX_LIMIT)] = 20,
    cursor: CursorParam = None,
) -> Response:
    """The caller's own messages that match, of all conversations, newest first."""
    page = HITS.page(limit, cursor, None, caller.user_id, q)
    hits, following = await use_cases.search(resources.pool, caller.user_id, q, page)
    return JSONAnswer({"data": [hit_json(hit) for hit in hits], "meta": {"nextCursor": following}})
