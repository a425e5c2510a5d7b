"""Which agents there are, and the compound ids that people name them by. Pure.

``module-writer`` is the agent with its default experiment, ``module-writer/grok-fast`` names the
experiment, ``module-writer@1.0.0`` a version, ``custom:<uuid>`` an agent that a user made.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, Field

from common.errors import Invalid

CUSTOM_PREFIX = "custom:"
CUSTOM_VERSION = "1"
MAX_AGENT_ID = 100
MAX_AGENT_VERSION = 50

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


class KnownAgent(BaseModel):
    """An agent of the setting ``AGENTS``: the experiment that a conversation without a version gets."""

    default: str = Field(min_length=1, max_length=MAX_AGENT_VERSION)
    experiments: list[str] = Field(default_factory=list)


@dataclass(slots=True, frozen=True)
class AgentRef:
    """An agent as named: ``version`` is None when the name leaves it open."""

    agent_id: str
    version: str | None

    @property
    def custom_id(self) -> UUID | None:
        """The custom agent's id, when this names one."""
        return UUID(self.agent_id.removeprefix(CUSTOM_PREFIX)) if is_custom(self.agent_id) else None


def is_custom(agent_id: str) -> bool:
    return agent_id.startswith(CUSTOM_PREFIX)


def custom_not_found(custom_id: str | UUID) -> Invalid:
    return Invalid(f"Custom agent not found: {custom_id}", code="agent_not_found")


def parse(name: str) -> AgentRef:
    """Split a compound id. Raises :class:`Invalid` for an id, version or custom UUID that can't be one."""
    if is_custom(name):
        custom_id = name.removeprefix(CUSTOM_PREFIX)
        if not _UUID.fullmatch(custom_id):
            raise custom_not_found(custom_id)
        return AgentRef(f"{CUSTOM_PREFIX}{custom_id.lower()}", None)
    agent_id, separator, version = _split(name)
    if not agent_id or len(agent_id) > MAX_AGENT_ID or (separator and not version):
        raise _invalid(
            "agentId", f"is no agent id: expected 1 to {MAX_AGENT_ID} characters, then /experiment"
        )
    if len(version) > MAX_AGENT_VERSION:
        raise _invalid("agentId", f"names a version of more than {MAX_AGENT_VERSION} characters")
    return AgentRef(agent_id, version or None)


def _split(name: str) -> tuple[str, str, str]:
    """Base id, separator and version; the first of ``/`` and ``@`` separates."""
    match = re.search(r"[/@]", name)
    if match is None:
        return name, "", ""
    return name[: match.start()], match.group(), name[match.end() :]


def _invalid(field: str, message: str) -> Invalid:
    return Invalid("Validation failed", code="invalid", details={field: [message]})


class Catalogue:
    """The agents of the setting ``AGENTS``."""

    def __init__(self, agents: Mapping[str, KnownAgent]) -> None:
        self._agents = agents

    def resolve(self, name: str, version: str | None = None) -> AgentRef:
        """The agent and version that a new conversation gets; a custom agent's owner is not checked here.

        Any version is accepted, since experiments come and go. Raises :class:`Invalid` for an unknown base
        id and for a version that contradicts the one in ``name``.
        """
        ref = parse(name)
        if is_custom(ref.agent_id):
            return AgentRef(ref.agent_id, CUSTOM_VERSION)
        known = self._agents.get(ref.agent_id)
        if known is None:
            available = ", ".join(self._agents)
            raise Invalid(f"Unknown agent: {ref.agent_id}. Available: {available}", code="unknown_agent")
        if version and ref.version and version != ref.version:
            raise _invalid("agentVersion", f"contradicts the version in agentId, {ref.version}")
        return AgentRef(ref.agent_id, version or ref.version or known.default)
