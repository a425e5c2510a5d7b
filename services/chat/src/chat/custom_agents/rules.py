"""How many and how large custom agents may be. No I/O."""

from chat.custom_agents.records import AgentValues
from common import codec
from common.errors import Conflict, TooLarge


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
