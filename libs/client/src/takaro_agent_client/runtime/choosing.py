"""Which turns a runtime takes: those that are requested of its agents, and those that were interrupted."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from contracts.chat import AnnounceAgent, TurnInterrupted, TurnRequested
from takaro_agent_client.events import Fact, read

log = logging.getLogger(__name__)

EVERY_CUSTOM_AGENT = "custom:*"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A turn to take: the requested one, or the one after an ``interrupted`` one. ``number`` is that of the
    one that the fact is about."""

    conversation_id: UUID
    turn_id: UUID
    number: int
    interrupted: bool


def waiting(fact: Fact, agents: Sequence[AnnounceAgent]) -> Waiting | None:
    """The turn that a fact asks for. An interrupted one may be another agent's, which chat knows."""
    try:
        if fact.type == TurnRequested.type:
            asked = read(fact, TurnRequested)
            if not serves(agents, asked.agent_id, asked.agent_version):
                return None
            return Waiting(asked.conversation_id, asked.turn_id, asked.number, interrupted=False)
        if fact.type == TurnInterrupted.type:
            died = read(fact, TurnInterrupted)
            return Waiting(died.conversation_id, died.turn_id, died.number, interrupted=True)
    except ValidationError as error:
        log.warning("fact %s can't be read: %s", fact.id, error)
    return None


def serves(agents: Sequence[AnnounceAgent], agent_id: str, version: str) -> bool:
    """Whether one of these is this agent in this version."""
    custom = agent_id.startswith("custom:")
    return any(
        (each.agent_id == agent_id or (custom and each.agent_id == EVERY_CUSTOM_AGENT))
        and (each.experiments is None or version in each.experiments)
        for each in agents
    )
