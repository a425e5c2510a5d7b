"""Merges what is announced with what the settings declare. No I/O."""

from collections.abc import Iterable, Sequence

from chat.agents.declared import KnownModel, KnownTool
from chat.agents.records import OfferedAgent
from chat.agents.rules import display_name
from chat.announcements.records import AnnouncedAgent, AnnouncedTool


def offered_agent(agent: AnnouncedAgent) -> OfferedAgent:
    """An announced agent as people choose it."""
    name = display_name(agent.agent_id)
    return OfferedAgent(agent.agent_id, agent.experiment, name, agent.model, agent.description, served=True)


def offered_tools(declared: Sequence[KnownTool], announced: Sequence[AnnouncedTool]) -> dict[str, str]:
    """The descriptions of all tools, by name; what is announced goes first."""
    found = {tool.name: tool.description for tool in declared}
    return found | {tool.name: tool.description for tool in announced}


def offered_models(declared: Sequence[KnownModel], announced: Iterable[str]) -> list[KnownModel]:
    """All models, with a name and a provider; what ``MODELS`` says of one that is announced too stays."""
    found = {model.id: model for model in declared}
    found |= {model: KnownModel(id=model) for model in announced if model not in found}
    return [
        KnownModel(id=each.id, name=each.name or each.id, provider=each.provider or provider_of(each.id))
        for each in found.values()
    ]


def provider_of(model: str) -> str:
    """Who provides a model, as its id says: ``qwen`` of ``qwen/qwen3``, ``other`` if it doesn't."""
    provider, slash, _ = model.partition("/")
    return provider if provider and slash else "other"
