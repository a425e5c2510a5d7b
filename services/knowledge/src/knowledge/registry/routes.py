"""HTTP of the registry: the Node application's routes, and those for users' own bases."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from knowledge.bases.wire import NOT_FOUND, BaseId
from knowledge.registry import use_cases
from knowledge.registry.wire import (
    BaseChange,
    BaseViewJson,
    KnowledgeBaseJson,
    NewBase,
    WhatToDelete,
    base_json,
    view_json,
)
from knowledge.resources import KnowledgeResources, ResourcesParam
from servicekit.answers import JSONAnswer, data, require_storable
from servicekit.auth import CallerParam
from servicekit.forms import SuccessJson, Uuid
from servicekit.keysets import Keyset, Name
from servicekit.list_parameters import CursorParam, LimitParam, OrderParam, WantedParam
from servicekit.openapi import answering, answering_bare, answering_list
from servicekit.routing import create_api_router
from servicekit.streamed_lists import streamed_data

TAKEN = {409: "The id is taken."}
IN_USE = {409: "Searches use this version."}
NOT_YOURS = {403: "The base is public, and not the caller's to change."}

BASES = Keyset("knowledge bases", tuple[Name], order="asc")
AGENTS = Keyset("agents of a knowledge base", tuple[UUID], order="asc")

router = create_api_router("/api/knowledge-bases", ["knowledge bases"])


@router.get("", **answering_list(BaseViewJson))
async def list_knowledge_bases(
    caller: CallerParam, resources: ResourcesParam, wanted: WantedParam
) -> Response:
    """The public bases, and the caller's own, by id: all of them, or a page."""
    page = wanted.page(BASES, caller.user_id)
    counts = await wanted.counts(partial(use_cases.count_bases, resources.pool, caller.user_id))
    pages = use_cases.list_bases(resources.pool, caller.user_id, page)
    return await streamed_data(pages, view_json, page, lambda view: (view.id,), counts)


@router.post("", **answering(KnowledgeBaseJson, status=201, errors=TAKEN))
async def create_knowledge_base(body: NewBase, caller: CallerParam, resources: ResourcesParam) -> Response:
    """Register a base of the caller's. Its first sync is requested when this answers."""
    roots = resources.settings.local_roots()
    await use_cases.create_base(resources.pool, body.base(caller.user_id), roots)
    return data(await _shown(resources, body.id, caller.user_id), status=201)


@router.get("/{kb_id}", **answering(KnowledgeBaseJson, errors=NOT_FOUND))
async def get_knowledge_base(kb_id: BaseId, caller: CallerParam, resources: ResourcesParam) -> Response:
    return data(await _shown(resources, kb_id, caller.user_id))


@router.put("/{kb_id}", **answering(KnowledgeBaseJson, errors=NOT_FOUND | NOT_YOURS))
async def change_knowledge_base(
    kb_id: BaseId, body: BaseChange, caller: CallerParam, resources: ResourcesParam
) -> Response:
    """Change the caller's base. Fields that the body leaves out don't change."""
    roots = resources.settings.local_roots()
    await use_cases.change_base(resources.pool, kb_id, caller.user_id, body.applied_to, roots)
    return data(await _shown(resources, kb_id, caller.user_id))


@router.delete("/{kb_id}", **answering_bare(SuccessJson, errors=NOT_FOUND | NOT_YOURS | IN_USE))
async def delete_knowledge_base(
    kb_id: BaseId, caller: CallerParam, resources: ResourcesParam, what: Annotated[WhatToDelete, Query()]
) -> Response:
    """Delete the caller's base with its content and its schedule; with ``version`` only the content of that
    version. 409 for the version that searches use, 503 while a sync of the base runs."""
    if what.version is None:
        await use_cases.delete_base(resources.pool, kb_id, caller.user_id)
    else:
        require_storable([("version", what.version)])
        ttl = resources.settings.lease_ttl_seconds
        await use_cases.delete_version(resources.pool, kb_id, what.version, caller.user_id, ttl)
    return JSONAnswer({"success": True})


@router.get("/{kb_id}/agents", **answering_list(Uuid, errors=NOT_FOUND))
async def list_agents(
    kb_id: BaseId,
    caller: CallerParam,
    resources: ResourcesParam,
    limit: LimitParam = None,
    cursor: CursorParam = None,
    order: OrderParam = None,
) -> Response:
    """Ids of the caller's custom agents that use the base: all of them, or a page."""
    page = AGENTS.page(limit, cursor, order, kb_id, caller.user_id)
    pages = use_cases.list_agents(resources.pool, kb_id, caller.user_id, page)
    return await streamed_data(pages, str, page, lambda agent_id: (agent_id,))


async def _shown(resources: KnowledgeResources, base_id: str, user_id: str) -> KnowledgeBaseJson:
    shown = await use_cases.get_base(resources.pool, base_id, user_id)
    return base_json(shown.view, shown.base, shown.versions)
