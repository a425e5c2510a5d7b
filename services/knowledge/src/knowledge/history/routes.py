"""HTTP of the history of syncs."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from knowledge.bases.wire import NOT_FOUND, BaseId
from knowledge.history import use_cases
from knowledge.history.wire import SyncJson, sync_json
from knowledge.resources import ResourcesParam
from servicekit.answers import data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router

MAX_LIMIT = 100

router = create_api_router("/api/knowledge-bases", ["syncs"])


@router.get("/{kb_id}/syncs", **answering(list[SyncJson], errors=NOT_FOUND))
async def list_syncs(
    kb_id: BaseId,
    caller: CallerParam,
    resources: ResourcesParam,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
) -> Response:
    """The base's newest syncs: what requested each, its progress, and each file's outcome."""
    syncs = await use_cases.list_syncs(resources.pool, kb_id, caller.user_id, limit)
    return data([sync_json(sync) for sync in syncs])
