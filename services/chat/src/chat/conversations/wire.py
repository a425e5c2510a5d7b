"""Conversations on the wire."""

from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from fastapi import Depends, Path, Query
from orjson import Fragment
from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from chat.agents.rules import parse, same_version
from chat.conversations.records import Conversation, ConversationFilter, TitleChange, VersionChange
from common.errors import Invalid
from common.json_time import json_time
from contracts.chat import AgentName, AgentVersion, Provider, Title
from servicekit.answers import Body, Change, without_defaults
from servicekit.forms import JsonObjectOrNull, Time, Uuid
from servicekit.list_parameters import TimeParam

ConversationId = Annotated[UUID, Path(alias="conversationId")]
NOT_FOUND = {403: "It is another user's conversation.", 404: "There is no such conversation."}


def _at_least_one(schema: dict[str, Any]) -> None:
    without_defaults(schema)
    schema |= {"minProperties": 1, "examples": [{"title": "Zombies", "agentVersion": "2"}]}


class CreateConversation(Body):
    """An agent, by its base id or a compound one; without a version, its default experiment, or the newest
    version of a custom agent."""

    agent_id: AgentName = Field(examples=["module-writer", "module-writer/grok-fast"])
    agent_version: AgentVersion | None = None


class ChangeConversation(Change):
    """A new title (``null`` removes it), or a version of the agent to go on with; or both."""

    model_config = ConfigDict(json_schema_extra=_at_least_one)

    title: Title | None = None
    agent_version: AgentVersion = ""

    def changes(self, conversation_id: UUID) -> list[TitleChange | VersionChange]:
        """What is to be changed. Raises :class:`Invalid` if it is nothing."""
        found: list[TitleChange | VersionChange] = []
        if "title" in self.model_fields_set:
            found.append(TitleChange(conversation_id, self.title))
        if "agent_version" in self.model_fields_set:
            found.append(VersionChange(conversation_id, self.agent_version))
        if not found:
            raise Invalid("Validation failed", details={"title": ["title or agentVersion is required"]})
        return found


def _conversation_filter(
    agent_id: Annotated[
        AgentName | None, Query(alias="agentId", description="A base id alone finds all its versions.")
    ] = None,
    agent_version: Annotated[AgentVersion | None, Query(alias="agentVersion")] = None,
    provider: Annotated[Provider | None, Query()] = None,
    title: Annotated[Title | None, Query(description="A part of the title, in upper or lower case.")] = None,
    created_from: Annotated[TimeParam | None, Query(alias="createdFrom")] = None,
    created_to: Annotated[TimeParam | None, Query(alias="createdTo", description="Before this time.")] = None,
    updated_from: Annotated[TimeParam | None, Query(alias="updatedFrom")] = None,
    updated_to: Annotated[TimeParam | None, Query(alias="updatedTo", description="Before this time.")] = None,
) -> ConversationFilter:
    if agent_id is not None:
        ref = parse(agent_id)
        agent_id, agent_version = ref.agent_id, same_version(ref, agent_version)
    return ConversationFilter(
        agent_id, agent_version, provider, title, created_from, created_to, updated_from, updated_to
    )


FilterParam = Annotated[ConversationFilter, Depends(_conversation_filter)]
"""Which conversations a list has."""


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
