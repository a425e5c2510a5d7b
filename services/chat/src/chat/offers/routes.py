"""HTTP of what clients may choose from. Declared before the routes of single custom agents."""

from fastapi import APIRouter
from starlette.responses import Response

from chat.agents.declared import Declared
from chat.custom_agents.routes import AGENTS
from chat.custom_agents.use_cases import list_agents as list_custom_agents
from chat.custom_agents.wire import agent_json
from chat.knowledge_bases.use_cases import list_bases
from chat.offers import use_cases
from chat.offers.wire import (
    AgentsJson,
    KnowledgeBaseJson,
    ModelJson,
    ToolJson,
    builtin_agent_json,
    knowledge_base_json,
    model_json,
    tool_json,
)
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam
from servicekit.streamed_lists import streamed_data, streamed_member


def create_router(declared: Declared) -> APIRouter:
    """Routes of what is ``declared`` or announced."""
    router = create_api_router("/api", ["agents"])

    @router.get("/agents", **answering(AgentsJson))
    async def list_all_agents(caller: CallerParam, resources: ResourcesParam) -> Response:
        """All agents that the caller may start a conversation with. A custom one is named `custom:<id>`."""
        builtin = await use_cases.list_agents(resources.pool, declared)
        custom = list_custom_agents(resources.pool, caller.user_id, AGENTS.page(None, None, None))
        members = {"builtin": [builtin_agent_json(each) for each in builtin]}
        return await streamed_member(members, "custom", custom, agent_json)

    @router.get("/custom-agents/tools", **answering(list[ToolJson]))
    async def list_tools(caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
        """The tools that a custom agent may have."""
        del caller  # everybody may
        tools = await use_cases.list_tools(resources.pool, declared)
        return data([tool_json(*each) for each in tools.items()])

    @router.get("/custom-agents/models", **answering(list[ModelJson]))
    async def list_models(caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
        """The models that a custom agent may have."""
        del caller  # everybody may
        return data([model_json(each) for each in await use_cases.list_models(resources.pool, declared)])

    @router.get("/custom-agents/knowledge-bases", **answering(list[KnowledgeBaseJson]))
    async def list_offered_knowledge_bases(caller: CallerParam, resources: ResourcesParam) -> Response:
        """The knowledge bases that a custom agent of the caller may have: public ones, and the caller's."""
        return await streamed_data(list_bases(resources.pool, caller.user_id), knowledge_base_json)

    return router
