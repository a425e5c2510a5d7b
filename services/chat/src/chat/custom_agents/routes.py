"""HTTP of custom agents."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from starlette.responses import Response

from chat.custom_agents import use_cases, versions
from chat.custom_agents.records import CustomAgent, Limits
from chat.custom_agents.wire import (
    LOST_RACE,
    AgentVersionJson,
    CreateAgent,
    CustomAgentJson,
    UpdateAgent,
    VersionParam,
    agent_json,
    version_json,
)
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.conditions import ETAG, ConditionParam, entity_tag
from servicekit.forms import SuccessJson
from servicekit.keysets import Keyset, Moment, Place
from servicekit.list_parameters import CursorParam, LimitParam, OrderParam, WantedParam
from servicekit.openapi import answering, answering_bare, answering_list
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam
from servicekit.streamed_lists import streamed_data

AgentId = Annotated[UUID, Path(alias="agentId")]
CONFLICT = {409: "The caller has an agent of that name, or too many."}
NOT_FOUND = {403: "It is another user's agent.", 404: "There is no such agent."}
NO_VERSION = NOT_FOUND | {404: "There is no such agent, or the version isn't kept."}
_UPDATED = answering(CustomAgentJson, errors=NOT_FOUND, headers=ETAG)
UPDATED = {**_UPDATED, "responses": {**_UPDATED["responses"], **LOST_RACE}}
AGENTS = Keyset("custom agents", tuple[Moment | None, UUID], order="desc")
VERSIONS = Keyset("versions of a custom agent", tuple[Place], order="desc")


def create_router(limits: Limits) -> APIRouter:
    """Routes of custom agents, within ``limits``."""
    router = create_api_router("/api/custom-agents", ["custom agents"])

    @router.get("", **answering_list(CustomAgentJson))
    async def list_agents(caller: CallerParam, resources: ResourcesParam, wanted: WantedParam) -> Response:
        """The caller's custom agents, newest first: all of them, or a page."""
        pool, user_id = resources.pool, caller.user_id
        page = wanted.page(AGENTS, user_id)
        counts = await wanted.counts(lambda _: use_cases.count_agents(pool, user_id))
        pages = use_cases.list_agents(pool, user_id, page)
        return await streamed_data(pages, agent_json, page, use_cases.position, counts)

    @router.post("", **answering(CustomAgentJson, status=201, errors=CONFLICT, headers=ETAG))
    async def create_agent(body: CreateAgent, caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
        """Create an agent; conversations name it ``custom:<id>``."""
        agent = await use_cases.create_agent(resources.pool, caller.user_id, body.values(), limits)
        return _answer(agent, status=201)

    @router.get("/{agentId}", **answering(CustomAgentJson, errors=NOT_FOUND, headers=ETAG))
    async def get_agent(agent_id: AgentId, caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
        """One of the caller's custom agents. Its version is the ``ETag`` too."""
        return _answer(await use_cases.get_agent(resources.pool, caller.user_id, agent_id))

    @router.put("/{agentId}", **UPDATED)
    async def update_agent(
        agent_id: AgentId,
        body: UpdateAgent,
        caller: CallerParam,
        resources: ResourcesParam,
        condition: ConditionParam,
    ) -> JSONAnswer:
        """Change an agent; a field that isn't sent doesn't change."""
        demanded = replace(condition, expected_version=body.expected_version)
        pool, user_id = resources.pool, caller.user_id
        return _answer(await use_cases.update_agent(pool, user_id, agent_id, body.apply, limits, demanded))

    @router.delete("/{agentId}", **answering_bare(SuccessJson, errors=NOT_FOUND))
    async def delete_agent(agent_id: AgentId, caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
        """Delete an agent; the conversations with it stay, and so do the versions that they have."""
        await use_cases.delete_agent(resources.pool, caller.user_id, agent_id)
        return JSONAnswer({"success": True})

    @router.get("/{agentId}/versions", **answering_list(AgentVersionJson, errors=NOT_FOUND))
    async def list_agent_versions(
        agent_id: AgentId,
        caller: CallerParam,
        resources: ResourcesParam,
        limit: LimitParam = None,
        cursor: CursorParam = None,
        order: OrderParam = None,
    ) -> Response:
        """The versions of an agent that are kept, newest first (`order=asc`: oldest); a deleted one's too."""
        page = VERSIONS.page(limit, cursor, order, caller.user_id, agent_id)
        pages = versions.list_versions(resources.pool, caller.user_id, agent_id, page)
        return await streamed_data(pages, version_json, page, versions.place)

    @router.get("/{agentId}/versions/{version}", **answering(AgentVersionJson, errors=NO_VERSION))
    async def get_agent_version(
        agent_id: AgentId, version: VersionParam, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """An agent as it was at a version; a deleted one too."""
        found = await versions.get_version(resources.pool, caller.user_id, agent_id, version)
        return data(version_json(found))

    return router


def _answer(agent: CustomAgent, *, status: int = 200) -> JSONAnswer:
    answer = data(agent_json(agent), status=status)
    answer.headers["ETag"] = entity_tag(agent.version)
    return answer
