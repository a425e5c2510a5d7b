"""The compound ids that name an agent, and the agents that they may name. No I/O.

``module-writer`` is the agent with its default experiment, ``module-writer/grok-fast`` names the
experiment, ``module-writer@1.0.0`` a version, ``custom:<uuid>`` an agent that a user made, and
``custom:<uuid>@2`` a version of that.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from uuid import UUID

from chat.agents.records import (
    CUSTOM_PREFIX,
    EVERY_VERSION,
    MAX_AGENT_VERSION,
    AgentRef,
    KnownAgent,
    OfferedAgent,
)
from common.errors import Invalid

MAX_AGENT_ID = 100
UNKNOWN = "unknown_agent"
MAX_LISTED = 100
"""Agents that an error lists."""
DEFAULT_EXPERIMENT = "default"
"""The version of an agent that is announced without experiments, and isn't in ``AGENTS``."""

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
    """The agents of the setting ``AGENTS``. Those that runtimes announce are added, and go before them."""

    def __init__(self, agents: Mapping[str, KnownAgent]) -> None:
        self.agents = agents

    def resolve(
        self,
        name: str,
        version: str | None = None,
        announced: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> AgentRef:
        """The agent and version that a new conversation gets. Of a custom agent, neither the owner nor the
        version is checked; without a version its newest is meant. ``announced`` are experiments by agent; an
        empty one stands for all versions.

        Accepts any version, since experiments come and go. Raises :class:`Invalid` for an unknown base id,
        and for a version that contradicts the one in ``name``.
        """
        ref = parse(name)
        if is_custom(ref.agent_id):
            return AgentRef(ref.agent_id, same_version(ref, version))
        known, served = self.agents.get(ref.agent_id), announced.get(ref.agent_id, ())
        if known is None and not served:
            raise unknown_agent(ref.agent_id, [*self.agents, *announced])
        named = same_version(ref, version)
        return AgentRef(ref.agent_id, named or default_experiment(known, served))


def unknown_agent(agent_id: str, available: Iterable[str]) -> Invalid:
    """The error for a base id that is neither in ``AGENTS`` nor announced; it lists those that are."""
    names = dict.fromkeys(name for name in available if not is_custom(name))
    listed = ", ".join(islice(names, MAX_LISTED)) + (", …" if len(names) > MAX_LISTED else "")
    return Invalid(f"Unknown agent: {agent_id}. Available: {listed}", code=UNKNOWN)


def default_experiment(known: KnownAgent | None, served: Sequence[str]) -> str:
    """The version that a conversation gets if it names none: that of ``AGENTS``, if a runtime serves it or
    nobody serves the agent; else the first that is announced."""
    if known is not None and (not served or known.default in served or EVERY_VERSION in served):
        return known.default
    return next((each for each in served if each != EVERY_VERSION), DEFAULT_EXPERIMENT)


def offered(known: Mapping[str, KnownAgent], announced: Sequence[OfferedAgent]) -> list[OfferedAgent]:
    """The agents of ``AGENTS``, the default experiment first, then those that are announced beside them.

    What is announced of an experiment goes before what the setting says of it. An announcement of every
    version goes for all experiments of the setting; for an agent that isn't there it is one experiment,
    ``default``.
    """
    left = {(each.agent_id, each.experiment): each for each in announced if not is_custom(each.agent_id)}
    found = []
    for agent_id, agent in known.items():
        every = left.pop((agent_id, EVERY_VERSION), None)
        name = agent.name or display_name(agent_id)
        for experiment in dict.fromkeys([agent.default, *agent.experiments]):
            told = left.pop((agent_id, experiment), None) or every
            plain = OfferedAgent(agent_id, experiment, name, agent.model, agent.description, served=False)
            found.append(replace(told, experiment=experiment, name=name) if told else plain)
    for each in left.values():
        declared = known.get(each.agent_id)
        name = (declared and declared.name) or each.name
        found.append(replace(each, experiment=each.experiment or DEFAULT_EXPERIMENT, name=name))
    return list({(each.agent_id, each.experiment): each for each in reversed(found)}.values())[::-1]


def display_name(agent_id: str) -> str:
    """``module-writer`` as people read it: ``Module Writer``."""
    words = re.split(r"[-_\s]+", agent_id)
    return " ".join(word[:1].upper() + word[1:] for word in words if word) or agent_id
