"""HTTP of the registry, as in existing-system.md section 3."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from common.auth import Caller, require_caller
from common.errors import NotFound
from common.http import data
from common.postgres import Connection, transaction
from common.service import Resources, get_resources
from knowledge.bases import repository
from knowledge.sync import requests

BaseId = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
Called = Annotated[Caller, Depends(require_caller)]
Provided = Annotated[Resources, Depends(get_resources)]

router = APIRouter(prefix="/api/knowledge-bases", tags=["knowledge bases"])


@router.get("")
async def list_knowledge_bases(_: Called, resources: Provided) -> Response:
    async with resources.pool.acquire() as connection:
        return data([base.to_json() for base in await repository.list_bases(connection)])


@router.get("/{kb_id}")
async def get_knowledge_base(kb_id: BaseId, _: Called, resources: Provided) -> Response:
    async with resources.pool.acquire() as connection:
        bases = await repository.list_bases(connection, kb_id)
    if not bases:
        raise NotFound("Knowledge base not found")
    return data(bases[0].to_json())


@router.get("/{kb_id}/agents")
async def list_agents(kb_id: BaseId, _: Called, resources: Provided) -> Response:
    """Ids of the custom agents that name the base."""
    async with resources.pool.acquire() as connection:
        await _require_base(connection, kb_id)
        return data(await repository.list_agents(connection, kb_id))


@router.post("/{kb_id}/sync")
async def request_sync(kb_id: BaseId, caller: Called, resources: Provided) -> Response:
    """Queue a sync. The job is on its way when this answers, even should Redis be away just now."""
    async with transaction(resources.pool) as connection:
        await _require_base(connection, kb_id)
        job_id = await requests.request_sync(connection, kb_id, reason="http", requested_by=caller.user_id)
    return data({"jobId": job_id, "status": "queued"})


async def _require_base(connection: Connection, kb_id: str) -> None:
    if await repository.get_base(connection, kb_id) is None:
        raise NotFound("Knowledge base not found")
