"""How large the state and the metadata of a conversation may be, what it lacks, and who works in it. No
I/O."""

from collections.abc import Collection
from typing import Any

from chat.agents.records import CUSTOM_PREFIX
from common import codec
from common.errors import NotFound, TooLarge

EVERY_CUSTOM_AGENT = "custom:*"
"""Names all custom agents in a runtime's token."""


def works_for(agents: Collection[str], agent_id: str) -> bool:
    """Whether a runtime whose token names these agents works for this one."""
    if agent_id.startswith(CUSTOM_PREFIX):
        return not {agent_id, agent_id.lower(), EVERY_CUSTOM_AGENT}.isdisjoint(agents)
    return agent_id in agents


def not_found() -> NotFound:
    """The error for an id that no conversation has."""
    return NotFound("Conversation not found", code="conversation_not_found")


def no_custom_agent() -> NotFound:
    """The error for the definition of an agent that no user made."""
    return NotFound("The conversation's agent isn't a custom agent", code="no_custom_agent")


def check_size(name: str, value: dict[str, Any], max_bytes: int) -> None:
    """Raise :class:`TooLarge` if the JSON of ``value`` is over ``max_bytes``."""
    encoded = codec.dumps(value) if value else b""
    if may_exceed(encoded, max_bytes) and (size := codec.stored_bytes(encoded)) > max_bytes:
        raise too_large(name, size, max_bytes)


def too_large(name: str, size: int, max_bytes: int) -> TooLarge:
    """The error for a state, or another document of a conversation, of ``size`` bytes."""
    return TooLarge(
        f"The {name} would have {size} bytes as JSON; STATE_MAX_BYTES allows {max_bytes}",
        code="state_too_large",
    )


def may_exceed(encoded: bytes, max_bytes: int) -> bool:
    """Whether the stored size of ``encoded`` must be measured."""
    return len(encoded) * codec.MOST_GROWTH > max_bytes
