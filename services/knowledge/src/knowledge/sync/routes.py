"""HTTP of the history of syncs."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from knowledge.bases.routes import BaseId, Called, Provided, require_visible
from knowledge.sync import repository
from servicekit.answers import data

MAX_LIMIT = 100

router = APIRouter(prefix="/api/knowledge-bases", tags=["syncs"])


@router.get("/{kb_id}/syncs")
async def list_syncs(
    kb_id: BaseId,
    caller: Called,
    resources: Provided,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 20,
) -> Response:
    """The base's newest syncs: what asked for each, how far it is, what became of each file."""
    async with resources.pool.acquire() as connection:
        await require_visible(connection, kb_id, caller)
        syncs = await repository.list_syncs(connection, kb_id, limit)
    return data([sync.to_json() for sync in syncs])
