"""HTTP of conversations."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from chat.agents.rules import Catalogue
from chat.conversations import listing, use_cases
from chat.conversations.records import TitleChange
from chat.conversations.wire import (
    NOT_FOUND,
    ConversationId,
    ConversationJson,
    CreateConversation,
    SetTitle,
    conversation_json,
)
from contracts.storable import Text
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.forms import SuccessJson
from servicekit.openapi import answering, answering_bare
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam
from servicekit.streamed_lists import streamed_data

DEFAULT_LIMIT = 5
MAX_LIMIT = 20


def create_router(catalogue: Catalogue) -> APIRouter:
    """Routes of conversations with the agents of ``catalogue`` and with the caller's custom agents."""
    router = create_api_router("/api/conversations", ["conversations"])

    @router.get("", **answering(list[ConversationJson]))
    async def list_conversations(caller: CallerParam, resources: ResourcesParam) -> Response:
        """All of the caller's conversations, newest first, with states of up to 16 KB."""
        pages = listing.list_conversations(resources.pool, caller.user_id)
        return await streamed_data(pages, conversation_json)

    @router.post("", **answering(ConversationJson, errors={404: "There is no such agent."}))
    async def create_conversation(
        body: CreateConversation, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """Start a conversation with a known agent, or with one of the caller's custom agents."""
        conversation = await use_cases.create_conversation(
            resources.pool, catalogue, caller.user_id, body.agent_id, body.agent_version
        )
        return data(conversation_json(conversation))

    # Declared before /{conversationId}. A `path`, since a compound id holds a slash, percent-encoded or not.
    @router.get("/by-agent/{agentId:path}", **answering(list[ConversationJson]))
    async def list_by_agent(
        agent_id: Annotated[Text, Path(alias="agentId")],
        caller: CallerParam,
        resources: ResourcesParam,
        limit: Annotated[int, Query(ge=1, description=f"at most {MAX_LIMIT}")] = DEFAULT_LIMIT,
    ) -> JSONAnswer:
        """The caller's conversations with an agent, last active first; a bare id finds all its versions."""
        conversations = await listing.list_by_agent(
            resources.pool, caller.user_id, agent_id, min(limit, MAX_LIMIT)
        )
        return data([conversation_json(c) for c in conversations])

    @router.get("/{conversationId}", **answering(ConversationJson, errors=NOT_FOUND))
    async def get_conversation(
        conversation_id: ConversationId, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """One of the caller's conversations."""
        conversation = await use_cases.get_conversation(resources.pool, caller.user_id, conversation_id)
        return data(conversation_json(conversation))

    @router.patch("/{conversationId}", **answering(ConversationJson, errors=NOT_FOUND))
    async def set_title(
        conversation_id: ConversationId, body: SetTitle, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """Name a conversation."""
        change = TitleChange(conversation_id, body.title)
        conversation = await use_cases.set_title(resources.pool, caller.user_id, change)
        return data(conversation_json(conversation))

    @router.delete("/{conversationId}", **answering_bare(SuccessJson, errors=NOT_FOUND))
    async def delete_conversation(
        conversation_id: ConversationId, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """Delete a conversation with its messages and cockpit sessions."""
        await use_cases.delete_conversation(resources.pool, caller.user_id, conversation_id)
        return JSONAnswer({"success": True})

    return router
