"""What is offered, on the wire."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from chat.agents.declared import KnownModel
from chat.agents.records import OfferedAgent
from chat.custom_agents.wire import CustomAgentJson
from chat.knowledge_bases.records import VisibleBase


class BuiltinAgentJson(TypedDict):
    """An agent that everybody may choose, in one of its experiments. A conversation names it by ``id``.
    ``served``: a runtime serves it now."""

    id: Annotated[str, Field(examples=["module-writer/grok-fast"])]
    name: Annotated[str, Field(examples=["Module Writer"])]
    type: Annotated[str, Field(examples=["module-writer"])]
    experiment: Annotated[str, Field(examples=["grok-fast"])]
    model: str | None
    description: str
    served: bool


class AgentsJson(TypedDict):
    """All agents that the caller may start a conversation with: those of everybody, and the caller's own,
    newest first."""

    builtin: list[BuiltinAgentJson]
    custom: list[CustomAgentJson]


class ToolJson(TypedDict):
    """A tool that a custom agent may have."""

    name: str
    description: str


class KnowledgeBaseJson(TypedDict):
    """A knowledge base that a custom agent may have: a public one, or the caller's."""

    id: str
    name: str
    description: str


class ModelJson(TypedDict):
    """A model that a custom agent may have."""

    id: str
    name: str
    provider: str


def builtin_agent_json(agent: OfferedAgent) -> BuiltinAgentJson:
    """An agent of everybody as clients know it."""
    return {
        "id": f"{agent.agent_id}/{agent.experiment}",
        "name": agent.name,
        "type": agent.agent_id,
        "experiment": agent.experiment,
        "model": agent.model,
        "description": agent.description,
        "served": agent.served,
    }


def tool_json(name: str, description: str) -> ToolJson:
    """A tool as clients know it."""
    return {"name": name, "description": description}


def knowledge_base_json(base: VisibleBase) -> KnowledgeBaseJson:
    """A knowledge base as clients know it."""
    return {"id": base.id, "name": base.name, "description": base.description}


def model_json(model: KnownModel) -> ModelJson:
    """A model as clients know it."""
    return {"id": model.id, "name": model.name or model.id, "provider": model.provider or ""}
