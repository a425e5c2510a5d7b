"""Custom agents on the wire."""

from typing import Annotated, NotRequired, TypeAlias

from fastapi import Path
from pydantic import FailFast, Field, StringConstraints
from typing_extensions import TypedDict

from chat.custom_agents.records import AgentValues, AgentVersion, CustomAgent
from chat.custom_agents.rules import MAX_VERSION
from common.json_time import json_time
from contracts.chat import ModelName
from contracts.storable import Text
from servicekit.answers import Body, Change
from servicekit.conditions import ExpectedVersion
from servicekit.forms import FailureJson, Time, Uuid
from servicekit.list_parameters import Digits
from servicekit.openapi import refusing

Name = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
Prompt = Annotated[Text, StringConstraints(min_length=1)]
Temperature = Annotated[float, Field(ge=0, le=2)]
MaxTokens = Annotated[int, Field(gt=0, le=2**31 - 1)]
Names = Annotated[list[Text], FailFast()]
"""Of a long list of invalid items, only the first is reported."""

VersionParam: TypeAlias = Annotated[int, Digits, Path(alias="version", ge=1, le=MAX_VERSION)]

DEFAULT_TEMPERATURE = 0.7
DEFAULT_MAX_TOKENS = 8192


class CreateAgent(Body):
    """A new agent; the defaults are the columns'."""

    name: Name
    description: Text | None = None
    system_prompt: Prompt
    tools: Names
    knowledge_bases: Names = Field(default_factory=list)
    model: ModelName
    temperature: Temperature | None = DEFAULT_TEMPERATURE
    max_tokens: MaxTokens | None = DEFAULT_MAX_TOKENS

    def values(self) -> AgentValues:
        """What the user chose, defaults included."""
        return AgentValues(**{name: getattr(self, name) for name in CreateAgent.model_fields})


class UpdateAgent(Change):
    """All of an agent's fields, or those that change: absent fields don't change.

    With ``expectedVersion`` only an agent at that version is changed.
    """

    name: Name = ""
    description: Text | None = None
    system_prompt: Prompt = ""
    tools: Names = Field(default_factory=list)
    knowledge_bases: Names = Field(default_factory=list)
    model: ModelName = ""
    temperature: Temperature | None = None
    max_tokens: MaxTokens | None = None
    expected_version: ExpectedVersion | None = None

    def apply(self, values: AgentValues) -> AgentValues:
        """``values`` with the fields that were sent."""
        fields = CreateAgent.model_fields
        return AgentValues(
            **{name: getattr(self if name in self.model_fields_set else values, name) for name in fields}
        )


class _ValuesJson(TypedDict):
    name: str
    description: str | None
    systemPrompt: str
    tools: list[str]
    knowledgeBases: list[str]
    model: str
    temperature: float | None
    maxTokens: int | None


class CustomAgentJson(_ValuesJson):
    """A custom agent, as it is at its newest ``version``. Conversations name it ``custom:<id>``."""

    id: Uuid
    userId: str
    version: int
    createdAt: Time | None
    updatedAt: Time | None


class AgentConflictJson(FailureJson):
    """The agent has another version, and stays as it is: ``data`` has it. Without ``data``, the caller has
    another agent of that name."""

    data: NotRequired[CustomAgentJson]


class AgentVersionJson(_ValuesJson):
    """A custom agent as it was at a version: from ``createdAt`` until ``replacedAt``, which is null for the
    newest one."""

    agentId: Uuid
    version: int
    createdAt: Time | None
    replacedAt: Time | None


class AgentOfConversationJson(AgentVersionJson):
    """The custom agent of a conversation, as it is at the conversation's version. ``newestVersion`` is the
    one that the conversation can move on to; it is null if the agent was deleted."""

    newestVersion: int | None


LOST_RACE = refusing(
    409, "The agent isn't at `expectedVersion`, or the caller has an agent of that name.", AgentConflictJson
) | refusing(412, "`If-Match` or `If-None-Match` excludes the agent's version.", AgentConflictJson)


def agent_json(agent: CustomAgent) -> CustomAgentJson:
    """A custom agent as clients know it; ``temperature`` is a number."""
    return {
        "id": str(agent.id),
        "userId": agent.user_id,
        "version": agent.version,
        **_values_json(agent.values),
        "createdAt": json_time(agent.created_at),
        "updatedAt": json_time(agent.updated_at),
    }


def version_json(version: AgentVersion) -> AgentVersionJson:
    """A version of a custom agent as clients know it."""
    return {
        "agentId": str(version.agent_id),
        "version": version.version,
        **_values_json(version.values),
        "createdAt": json_time(version.created_at),
        "replacedAt": json_time(version.replaced_at),
    }


def agent_of_conversation_json(version: AgentVersion, newest: int | None) -> AgentOfConversationJson:
    """The agent of a conversation as clients know it."""
    return {**version_json(version), "newestVersion": newest}


def _values_json(values: AgentValues) -> _ValuesJson:
    return {
        "name": values.name,
        "description": values.description,
        "systemPrompt": values.system_prompt,
        "tools": values.tools,
        "knowledgeBases": values.knowledge_bases,
        "model": values.model,
        "temperature": values.temperature,
        "maxTokens": values.max_tokens,
    }
