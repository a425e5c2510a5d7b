"""Agents as chat's own code handles them."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, Field

CUSTOM_PREFIX = "custom:"
MAX_AGENT_VERSION = 50
EVERY_VERSION = ""
"""Stands for an experiment in the announcement of a runtime that serves every version of its agent."""


class KnownAgent(BaseModel):
    """An agent of the setting ``AGENTS``. A conversation that names no version gets ``default``.

    What people read of it are ``name`` (unset: made of its id), ``model`` and ``description``.
    """

    default: str = Field(min_length=1, max_length=MAX_AGENT_VERSION)
    experiments: list[str] = Field(default_factory=list)
    name: str | None = Field(None, min_length=1, max_length=100)
    model: str | None = Field(None, min_length=1, max_length=100)
    description: str = Field("", max_length=10_000)


@dataclass(slots=True, frozen=True)
class OfferedAgent:
    """An agent in one of its experiments, as people choose it. ``model`` is None if nobody says it;
    ``served``: a runtime announces it."""

    agent_id: str
    experiment: str
    name: str
    model: str | None
    description: str
    served: bool


@dataclass(slots=True, frozen=True)
class AgentRef:
    """An agent as named: ``version`` is None when the name leaves it open."""

    agent_id: str
    version: str | None

    @property
    def custom_id(self) -> UUID | None:
        """The custom agent's id; None when this names an agent of the setting ``AGENTS``."""
        if not self.agent_id.startswith(CUSTOM_PREFIX):
            return None
        return UUID(self.agent_id.removeprefix(CUSTOM_PREFIX))
