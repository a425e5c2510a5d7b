"""Conversations on the wire."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from orjson import Fragment
from pydantic import Field

from chat.conversations.records import Conversation, State
from common.json_time import json_time
from contracts.chat import AgentName, AgentVersion, Title
from servicekit.answers import Body

ConversationId = Annotated[UUID, Path(alias="conversationId")]


class CreateConversation(Body):
    """An agent, by its base id or a compound one; without a version, its default experiment."""

    agent_id: AgentName = Field(examples=["module-writer", "module-writer/grok-fast"])
    agent_version: AgentVersion | None = None


class SetTitle(Body):
    """A new title; ``null`` removes it."""

    title: Title | None


def conversation_json(conversation: Conversation) -> dict[str, Any]:
    """A conversation as clients know it. What a list leaves out is absent and marked as omitted."""
    answer: dict[str, Any] = {
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
    for name, omitted in (
        ("metadata", conversation.metadata_omitted),
        ("state", conversation.state_omitted),
    ):
        if omitted:
            del answer[name]
            answer[f"{name}Omitted"] = True
    return answer


def state_json(state: State) -> dict[str, Any]:
    """A state with its version."""
    return {
        "state": state.state if state.encoded is None else Fragment(state.encoded),
        "version": state.version,
    }


def _fragment(encoded: str | None) -> Fragment | None:
    return None if encoded is None else Fragment(encoded)
