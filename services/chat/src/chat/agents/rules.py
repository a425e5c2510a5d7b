"""The compound ids that name an agent, and the agents that they may name. No I/O.

``module-writer`` is the agent with its default experiment, ``module-writer/grok-fast`` names the
experiment, ``module-writer@1.0.0`` a version, ``custom:<uuid>`` an agent that a user made, and
``custom:<uuid>@2`` a version of that.
"""

import re
from collections.abc import Mapping
from uuid import UUID

from chat.agents.records import CUSTOM_PREFIX, MAX_AGENT_VERSION, AgentRef, KnownAgent
from common.errors import Invalid

MAX_AGENT_ID = 100

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def is_custom(agent_id: str) -> bool:
    """Whether the id names an agent that a user made, even if it is malformed."""
    return agent_id.startswith(CUSTOM_PREFIX)


def custom_id(agent_id: str) -> UUID | None:
    """The id of the custom agent that a stored conversation has; None if it has another agent."""
    found = _UUID.fullmatch(agent_id.removeprefix(CUSTOM_PREFIX)) if is_custom(agent_id) else None
    return UUID(found[0]) if found else None


def custom_not_found(custom_id: str | UUID) -> Invalid:
    """The error for a custom agent that doesn't exist or isn't the user's. It doesn't say which of the
    two."""
    return Invalid(f"Custom agent not found: {custom_id}", code="agent_not_found")


def custom_version_not_found(custom_id: UUID, version: str) -> Invalid:
    """The error for a version that a custom agent hasn't, or that isn't kept any more."""
    return Invalid(
        f"Custom agent {custom_id} has no version {version}; GET /api/custom-agents/{custom_id}/versions "
        "lists them",
        code="agent_version_not_found",
    )


def parse(name: str) -> AgentRef:
    """Split a compound id. Raises :class:`Invalid` for an impossible id, version or custom UUID."""
    if is_custom(name):
        agent, separator, version = _split(name.removeprefix(CUSTOM_PREFIX))
        if not _UUID.fullmatch(agent) or (separator and not version):
            raise custom_not_found(name.removeprefix(CUSTOM_PREFIX))
        agent_id = f"{CUSTOM_PREFIX}{agent.lower()}"
    else:
        agent_id, separator, version = _split(name)
        if not agent_id or len(agent_id) > MAX_AGENT_ID or (separator and not version):
            raise _invalid(
                "agentId", f"isn't an agent id: expected 1 to {MAX_AGENT_ID} characters, then /experiment"
            )
    if len(version) > MAX_AGENT_VERSION:
        raise _invalid("agentId", f"names a version of more than {MAX_AGENT_VERSION} characters")
    return AgentRef(agent_id, version or None)


def same_version(ref: AgentRef, version: str | None) -> str | None:
    """The version that is named in ``ref``, beside it, or in neither. Raises :class:`Invalid` for two that
    differ."""
    if version and ref.version and version != ref.version:
        raise _invalid("agentVersion", f"contradicts the version in agentId, {ref.version}")
    return version or ref.version


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
        """The agent and version that a new conversation gets. Of a custom agent, neither the owner nor the
        version is checked; without a version its newest is meant.

        Accepts any version, since experiments come and go. Raises :class:`Invalid` for an unknown base id,
        and for a version that contradicts the one in ``name``.
        """
        ref = parse(name)
        if is_custom(ref.agent_id):
            return AgentRef(ref.agent_id, same_version(ref, version))
        known = self._agents.get(ref.agent_id)
        if known is None:
            available = ", ".join(self._agents)
            raise Invalid(f"Unknown agent: {ref.agent_id}. Available: {available}", code="unknown_agent")
        return AgentRef(ref.agent_id, same_version(ref, version) or known.default)
