"""Conversations on the wire."""

from typing import Annotated, Literal, NotRequired
from uuid import UUID

from fastapi import Path
from orjson import Fragment
from pydantic import Field
from typing_extensions import TypedDict

from chat.conversations.records import Conversation
from common.json_time import json_time
from contracts.chat import AgentName, AgentVersion, Title
from servicekit.answers import Body
from servicekit.forms import JsonObjectOrNull, Time, Uuid

ConversationId = Annotated[UUID, Path(alias="conversationId")]
NOT_FOUND = {403: "It is another user's conversation.", 404: "There is no such conversation."}


class CreateConversation(Body):
    """An agent, by its base id or a compound one; without a version, its default experiment."""

    agent_id: AgentName = Field(examples=["module-writer", "module-writer/grok-fast"])
    agent_version: AgentVersion | None = None


class SetTitle(Body):
    """A new title; ``null`` removes it."""

    title: Title | None


class ConversationJson(TypedDict):
    """A conversation. A list leaves out ``state`` and ``metadata`` of over 16 KB and says so."""

    id: Uuid
    agentId: Annotated[str, Field(examples=["module-writer"])]
    agentVersion: Annotated[str, Field(examples=["grok-fast"])]
    userId: str | None
    title: str | None
    provider: str | None
    metadata: NotRequired[JsonObjectOrNull]
    state: NotRequired[JsonObjectOrNull]
    createdAt: Time | None
    updatedAt: Time | None
    metadataOmitted: NotRequired[Literal[True]]
    stateOmitted: NotRequired[Literal[True]]


def conversation_json(conversation: Conversation) -> ConversationJson:
    """A conversation as clients know it. What a list leaves out is absent and marked as omitted."""
    answer: ConversationJson = {
        "id": str(conversation.id),
        "agentId": conversation.agent_id,
        "agentVersion": conversation.agent_version,
        "userId": conversation.user_id,
        "title": conversation.title,
        "provider": conversation.provider,
        "metadata": _fragment(conversation.metadata),
        "state": _fragment(conversation.state),
        "createdAt": json_time(conversation.created_at),
        "updatedAt": json_time(conversation.updated_at),
    }
    if conversation.metadata_omitted:
        del answer["metadata"]
        answer["metadataOmitted"] = True
    if conversation.state_omitted:
        del answer["state"]
        answer["stateOmitted"] = True
    return answer


def _fragment(encoded: str | None) -> Fragment | None:
    return None if encoded is None else Fragment(encoded)
