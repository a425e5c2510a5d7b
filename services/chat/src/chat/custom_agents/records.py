"""Custom agents as chat's own code handles them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from chat.agents.declared import Declared

Position: TypeAlias = tuple[datetime | None, UUID]
"""An agent's place in a list: when it was created, and its id."""


@dataclass(slots=True)
class AgentValues:
    """What a user chooses. ``temperature`` is 0 to 2 (two decimals are kept), ``max_tokens`` > 0."""

    name: str
    description: str | None
    system_prompt: str
    tools: list[str]
    knowledge_bases: list[str]
    model: str
    temperature: float | None
    max_tokens: int | None


@dataclass(slots=True, frozen=True)
class Limits:
    """The maximum number of ``agents`` of a user, the maximum bytes of each as JSON, and the tools and models
    that are there whether or not they are announced."""

    agents: int
    agent_bytes: int
    declared: Declared = field(default_factory=Declared)


@dataclass(slots=True)
class CustomAgent:
    """A stored custom agent; ``event_sequence`` is that of the last fact about it, ``version`` the newest."""

    id: UUID
    user_id: str
    values: AgentValues
    created_at: datetime | None
    updated_at: datetime | None
    event_sequence: int
    version: int


@dataclass(slots=True)
class AgentVersion:
    """A custom agent as it was at ``version``: from ``created_at`` until ``replaced_at``, which is None for
    what it is now. The last version of a deleted agent was replaced by nothing."""

    agent_id: UUID
    version: int
    user_id: str
    values: AgentValues
    created_at: datetime | None
    replaced_at: datetime | None


VersionKey: TypeAlias = tuple[UUID, int]
"""A custom agent's id, and one of its versions."""


@dataclass(slots=True, frozen=True)
class VersionStep:
    """A bounded part of the replaced versions, in the order of their keys: those that nobody needs, and the
    last one that was looked at. ``last`` is None if there were no more."""

    unused: list[VersionKey]
    last: VersionKey | None
