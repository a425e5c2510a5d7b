"""HTTP of the history of syncs."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from knowledge.bases.wire import NOT_FOUND, BaseId
from knowledge.history import use_cases
from knowledge.history.wire import SyncJson, sync_json
from knowledge.resources import ResourcesParam
from servicekit.auth import CallerParam
from servicekit.keysets import Keyset, Moment
from servicekit.list_parameters import CursorParam, Digits, OrderParam
from servicekit.openapi import answering_list
from servicekit.routing import create_api_router
from servicekit.streamed_lists import streamed_data

MAX_LIMIT = 100
SYNCS = Keyset("syncs", tuple[Moment, UUID], order="desc")

router = create_api_router("/api/knowledge-bases", ["syncs"])


@router.get("/{kb_id}/syncs", **answering_list(SyncJson, errors=NOT_FOUND))
async def list_syncs(
    kb_id: BaseId,
    caller: CallerParam,
    resources: ResourcesParam,
    limit: Annotated[int, Digits, Query(ge=1, le=MAX_LIMIT)] = 20,
    cursor: CursorParam = None,
    order: OrderParam = None,
) -> Response:
    """The base's newest syncs: what requested each, its progress, and each file's outcome."""
    page = SYNCS.page(limit, cursor, order, kb_id)
    pages = use_cases.list_syncs(resources.pool, kb_id, caller.user_id, page)
    return await streamed_data(pages, sync_json, page, use_cases.position)
