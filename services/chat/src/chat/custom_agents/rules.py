"""How many and how large custom agents may be, what they may name, and how their versions are written. No
I/O."""

import re
from collections.abc import Sequence

from chat.custom_agents.records import AgentValues
from common import codec
from common.errors import Conflict, Invalid, NotFound, TooLarge

MAX_VERSION = 2**31 - 1
MAX_LISTED, MAX_SHOWN = 20, 100
"""Names that an error lists, and characters of each."""
_NUMBER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)


def version_number(version: str) -> int | None:
    """The number that a conversation's ``agent_version`` is; None if no custom agent has such a version."""
    number = int(version) if _NUMBER.fullmatch(version) else None
    return number if number is not None and number <= MAX_VERSION else None


def not_found() -> NotFound:
    """The error for an id that no custom agent has."""
    return NotFound("Custom agent not found", code="agent_not_found")


def version_not_found() -> NotFound:
    """The error for a version that a custom agent never had, or that isn't kept any more."""
    return NotFound("Custom agent version not found", code="agent_version_not_found")


def check_size(values: AgentValues, max_bytes: int, *, before: AgentValues | None = None) -> None:
    """Raise :class:`TooLarge` for an agent over ``max_bytes``, unless it is smaller than ``before``."""
    size = len(codec.dumps(values))
    if size > max_bytes and (before is None or size >= len(codec.dumps(before))):
        raise TooLarge(
            f"The agent would have {size} bytes; CUSTOM_AGENT_MAX_BYTES allows {max_bytes}",
            code="agent_too_large",
        )


def too_many(most: int) -> Conflict:
    """The error for a user who has ``most`` agents and creates another one."""
    return Conflict(
        f"You have {most} custom agents, as many as CUSTOM_AGENTS_MAX allows", code="too_many_agents"
    )


def unknown_tools(names: Sequence[str]) -> Invalid:
    """The error for tools that an agent can't have."""
    return Invalid(f"Invalid tools: {_listed(names)}", code="unknown_tools")


def unknown_bases(ids: Sequence[str]) -> Invalid:
    """The error for knowledge bases that an agent can't have. It doesn't say which don't exist and which are
    another user's."""
    return Invalid(f"Invalid knowledge bases: {_listed(ids)}", code="unknown_knowledge_bases")


def unknown_model(model: str) -> Invalid:
    """The error for a model that an agent can't have."""
    return Invalid(f"Invalid model: {model}", code="unknown_model")


def _listed(names: Sequence[str]) -> str:
    """Some of these names, which a caller chose, shortened."""
    distinct = list(dict.fromkeys(names))
    listed = ", ".join(name[:MAX_SHOWN] for name in distinct[:MAX_LISTED])
    return listed + (", …" if len(distinct) > MAX_LISTED else "")
