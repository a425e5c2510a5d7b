"""The facts about custom agents. Use cases append them to the outbox."""

from uuid import UUID

from backbone.outbox import Fact
from chat.custom_agents.records import CustomAgent
from contracts import chat as contracts


def created(agent: CustomAgent) -> Fact:
    """An agent was created; the first fact about it."""
    return _fact(agent, contracts.AgentCreated)


def updated(agent: CustomAgent) -> Fact:
    """An agent was changed: its new values."""
    return _fact(agent, contracts.AgentUpdated)


def deleted(agent_id: UUID, user_id: str, sequence: int, version: int) -> Fact:
    """An agent was deleted; the last fact about it."""
    data = contracts.AgentDeleted(agent_id=agent_id, user_id=user_id, version=version)
    return Fact(contracts.FACTS_STREAM, str(agent_id), sequence, data)


def _fact(agent: CustomAgent, contract: type[contracts.AgentCreated | contracts.AgentUpdated]) -> Fact:
    data = contract(
        agent_id=agent.id,
        user_id=agent.user_id,
        name=agent.values.name,
        model=agent.values.model,
        tools=agent.values.tools,
        knowledge_bases=agent.values.knowledge_bases,
        version=agent.version,
    )
    return Fact(contracts.FACTS_STREAM, str(agent.id), agent.event_sequence, data)
