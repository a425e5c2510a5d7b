"""HTTP of conversations."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from chat.agents.rules import Catalogue
from chat.announcements.served import ServedAgents
from chat.conversations import agent_versions, listing, starting, use_cases
from chat.conversations.wire import (
    NOT_FOUND,
    ChangeConversation,
    ConversationId,
    ConversationJson,
    CreateConversation,
    FilterParam,
    conversation_json,
)
from chat.custom_agents.wire import AgentOfConversationJson, agent_of_conversation_json
from contracts.storable import Text
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.forms import SuccessJson
from servicekit.keysets import Keyset, Moment
from servicekit.list_parameters import CursorParam, Digits, OrderParam, WantedParam
from servicekit.openapi import answering, answering_bare, answering_list
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam
from servicekit.streamed_lists import streamed_data

NO_AGENT = NOT_FOUND | {404: "There is no such conversation, or nothing of a custom agent is kept for it."}
DEFAULT_LIMIT = 5
MAX_LIMIT = 20
CONVERSATIONS = Keyset("conversations", tuple[Moment | None, UUID], order="desc")
BY_AGENT = Keyset("conversations by agent", tuple[Moment | None, UUID], order="desc")


def create_router(catalogue: Catalogue, served: ServedAgents) -> APIRouter:
    """Routes of conversations with the agents of ``catalogue``, those that are ``served``, and the caller's
    custom agents."""
    router = create_api_router("/api/conversations", ["conversations"])
    starts = starting.create_starts()

    @router.get("", **answering_list(ConversationJson))
    async def list_conversations(
        caller: CallerParam,
        resources: ResourcesParam,
        filters: FilterParam,
        wanted: WantedParam,
    ) -> Response:
        """The caller's conversations by creation, newest first (`order=asc`: oldest), with states of up to
        16 KB: all of them, or a page."""
        pool, user_id = resources.pool, caller.user_id
        page = wanted.page(CONVERSATIONS, user_id, filters)
        counts = await wanted.counts(partial(listing.count_conversations, pool, user_id, filters))
        pages = listing.list_conversations(pool, user_id, page, filters)
        return await streamed_data(pages, conversation_json, page, listing.position_by_creation, counts)

    @router.post("", **answering(ConversationJson, errors={404: "There is no such agent."}))
    async def create_conversation(
        body: CreateConversation, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """Start a conversation with a known agent, or with one of the caller's custom agents."""
        conversation = await starting.create_conversation(
            resources.pool,
            catalogue,
            served,
            caller.user_id,
            body.agent_id,
            body.agent_version,
            starts=starts,
        )
        return data(conversation_json(conversation))

    # Declared before /{conversationId}. A `path`, since a compound id holds a slash, percent-encoded or not.
    @router.get("/by-agent/{agentId:path}", **answering_list(ConversationJson))
    async def list_by_agent(
        agent_id: Annotated[Text, Path(alias="agentId")],
        caller: CallerParam,
        resources: ResourcesParam,
        limit: Annotated[int, Digits, Query(ge=1, description=f"at most {MAX_LIMIT}")] = DEFAULT_LIMIT,
        cursor: CursorParam = None,
        order: OrderParam = None,
    ) -> Response:
        """The caller's conversations with an agent, last active first; a bare id finds all its versions."""
        page = BY_AGENT.page(min(limit, MAX_LIMIT), cursor, order, caller.user_id, agent_id)
        pages = listing.list_by_agent(resources.pool, caller.user_id, agent_id, page)
        return await streamed_data(pages, conversation_json, page, listing.position_by_activity)

    @router.get("/{conversationId}", **answering(ConversationJson, errors=NOT_FOUND))
    async def get_conversation(
        conversation_id: ConversationId, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """One of the caller's conversations."""
        conversation = await use_cases.get_conversation(resources.pool, caller.user_id, conversation_id)
        return data(conversation_json(conversation))

    @router.patch("/{conversationId}", **answering(ConversationJson, errors=NOT_FOUND))
    async def change_conversation(
        conversation_id: ConversationId,
        body: ChangeConversation,
        caller: CallerParam,
        resources: ResourcesParam,
    ) -> JSONAnswer:
        """Name a conversation, or let it go on with another version of its agent."""
        conversation = await use_cases.change_conversation(
            resources.pool, caller.user_id, conversation_id, body.changes(conversation_id)
        )
        return data(conversation_json(conversation))

    @router.get("/{conversationId}/agent", **answering(AgentOfConversationJson, errors=NO_AGENT))
    async def get_conversation_agent(
        conversation_id: ConversationId, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """The custom agent of a conversation, as it is at the conversation's version; a deleted one too."""
        conversation = await use_cases.get_conversation(resources.pool, caller.user_id, conversation_id)
        found, newest = await agent_versions.get_agent(resources.pool, conversation)
        return data(agent_of_conversation_json(found, newest))

    @router.delete("/{conversationId}", **answering_bare(SuccessJson, errors=NOT_FOUND))
    async def delete_conversation(
        conversation_id: ConversationId, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """Delete a conversation with its messages and cockpit sessions."""
        await use_cases.delete_conversation(resources.pool, caller.user_id, conversation_id)
        return JSONAnswer({"success": True})

    return router
