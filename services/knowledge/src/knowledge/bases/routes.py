"""HTTP of the registry, with the paths of the Node application, and of the bases that users create."""

from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from common.postgres import Connection, transaction
from knowledge.bases import ownership, repository, rules
from knowledge.bases.bodies import OF_VERSION, BaseChange, NewBase, WhatToDelete
from knowledge.bases.models import KnowledgeBase
from knowledge.resources import KnowledgeResources
from knowledge.sync import requests, version_repository
from servicekit.answers import JSONAnswer, data, require_storable
from servicekit.auth import Caller, require_caller
from servicekit.service import get_resources

BaseId = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
Called = Annotated[Caller, Depends(require_caller)]
Provided = Annotated[KnowledgeResources, Depends(get_resources)]

OneVersion = Annotated[
    str | None,
    Query(min_length=1, max_length=50, description=OF_VERSION),
]

router = APIRouter(prefix="/api/knowledge-bases", tags=["knowledge bases"])


@router.get("")
async def list_knowledge_bases(caller: Called, resources: Provided) -> Response:
    """The public bases, and the caller's own."""
    async with resources.pool.acquire() as connection:
        return data([base.to_json() for base in await repository.list_bases(connection, caller.user_id)])


@router.post("")
async def create_knowledge_base(body: NewBase, caller: Called, resources: Provided) -> Response:
    """Register a base of the caller's; its first sync is on its way when this answers."""
    await ownership.create_base(resources.pool, body.base(caller.user_id), _roots(resources))
    return data(await _view(resources, body.id, caller), status=201)


@router.get("/{kb_id}")
async def get_knowledge_base(kb_id: BaseId, caller: Called, resources: Provided) -> Response:
    return data(await _view(resources, kb_id, caller))


@router.put("/{kb_id}")
async def change_knowledge_base(
    kb_id: BaseId, body: BaseChange, caller: Called, resources: Provided
) -> Response:
    """Change the caller's base; what the body leaves out stays as it is."""
    await ownership.change_base(resources.pool, kb_id, caller.user_id, body.applied_to, _roots(resources))
    return data(await _view(resources, kb_id, caller))


@router.delete("/{kb_id}")
async def delete_knowledge_base(
    kb_id: BaseId, caller: Called, resources: Provided, what: Annotated[WhatToDelete, Query()]
) -> Response:
    """Delete the caller's base with its content and its schedule; with ``version`` the content of that
    version alone. 409 for a version that searches find, 503 while a sync of the base runs."""
    if what.version is None:
        await ownership.delete_base(resources.pool, kb_id, caller.user_id)
    else:
        require_storable([("version", what.version)])
        ttl = resources.settings.lease_ttl_seconds
        await ownership.delete_version(resources.pool, kb_id, what.version, caller.user_id, ttl)
    return JSONAnswer({"success": True})


@router.get("/{kb_id}/agents")
async def list_agents(kb_id: BaseId, caller: Called, resources: Provided) -> Response:
    """Ids of the custom agents that name the base."""
    async with resources.pool.acquire() as connection:
        await require_visible(connection, kb_id, caller)
        return data(await repository.list_agents(connection, kb_id))


@router.post("/{kb_id}/sync")
async def request_sync(kb_id: BaseId, caller: Called, resources: Provided) -> Response:
    """Queue a sync. The job is on its way when this answers, even should Redis be away just now."""
    async with transaction(resources.pool) as connection:
        await require_visible(connection, kb_id, caller)
        job_id = await requests.request_sync(connection, kb_id, reason="http", requested_by=caller.user_id)
    return data({"jobId": job_id, "status": "queued"})


async def require_visible(connection: Connection, kb_id: str, caller: Caller) -> KnowledgeBase:
    """The base. Raises ``NotFound``, or ``Forbidden`` for another user's private one."""
    return rules.check_visible(await repository.get_base(connection, kb_id), caller.user_id)


async def _view(resources: KnowledgeResources, kb_id: str, caller: Caller) -> dict[str, Any]:
    """A base as the list shows it, its whole definition, and its versions that have content."""
    async with resources.pool.acquire() as connection:
        base = await require_visible(connection, kb_id, caller)
        views = await repository.list_bases(connection, caller.user_id, kb_id)
        stored = await version_repository.list_versions(connection, kb_id)
    rules.check_visible(base if views else None, caller.user_id)  # deleted between the two
    versions = [version.version for version in stored]
    return views[0].to_json() | base.definition_to_json() | {"versions": versions}


def _roots(resources: KnowledgeResources) -> list[FilePath]:
    roots: list[FilePath] = resources.settings.local_roots()
    return roots
