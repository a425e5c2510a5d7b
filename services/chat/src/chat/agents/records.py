"""Agents as chat's own code handles them."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, Field

CUSTOM_PREFIX = "custom:"
MAX_AGENT_VERSION = 50


class KnownAgent(BaseModel):
    """An agent of the setting ``AGENTS``. A conversation that names no version gets ``default``."""

    default: str = Field(min_length=1, max_length=MAX_AGENT_VERSION)
    experiments: list[str] = Field(default_factory=list)


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
