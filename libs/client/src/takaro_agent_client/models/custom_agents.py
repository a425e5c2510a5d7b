"""What chat answers about custom agents."""

from datetime import datetime
from uuid import UUID

from takaro_agent_client.models.model import Model


class CustomAgent(Model):
    """A custom agent, as it is at its newest ``version``. Conversations name it ``custom:<id>``."""

    id: UUID
    user_id: str
    version: int
    name: str
    description: str | None
    system_prompt: str
    tools: list[str]
    knowledge_bases: list[str]
    model: str
    temperature: float | None
    max_tokens: int | None
    created_at: datetime | None
    updated_at: datetime | None


class CustomAgentVersion(Model):
    """A custom agent as it was at ``version``, until ``replaced_at``, which is ``None`` for the newest."""

    agent_id: UUID
    version: int
    name: str
    description: str | None
    system_prompt: str
    tools: list[str]
    knowledge_bases: list[str]
    model: str
    temperature: float | None
    max_tokens: int | None
    created_at: datetime | None
    replaced_at: datetime | None


class AgentOfConversation(CustomAgentVersion):
    """The custom agent of a conversation, as it is at the conversation's version. ``newest_version`` is
    ``None`` if the agent was deleted."""

    newest_version: int | None


class BuiltinAgent(Model):
    """An agent that everybody may choose, in one of its experiments; ``id`` names it. ``served``: a runtime
    serves it now."""

    id: str
    name: str
    type: str
    experiment: str
    model: str | None
    description: str
    served: bool


class Agents(Model):
    """All agents that the caller may start a conversation with."""

    builtin: list[BuiltinAgent]
    custom: list[CustomAgent]


class OfferedTool(Model):
    """A tool that a custom agent may have."""

    name: str
    description: str


class OfferedBase(Model):
    """A knowledge base that a custom agent of the caller may have."""

    id: str
    name: str
    description: str


class OfferedModel(Model):
    """A model that a custom agent may have."""

    id: str
    name: str
    provider: str
