"""How large a message may be. No I/O."""

from typing import Any

from common import codec
from common.errors import NotFound, TooLarge


def message_bytes(content: str, tool_calls: list[Any] | None, tool_results: Any) -> int:
    """The stored bytes of a message's content and tool records."""
    tools = (value for value in (tool_calls, tool_results) if value is not None)
    return len(content.encode()) + sum(codec.stored_bytes(codec.dumps(value)) for value in tools)


def too_large(size: int, max_bytes: int) -> TooLarge:
    """The error for a message of ``size`` bytes."""
    return TooLarge(
        f"The message has {size} bytes; MESSAGE_MAX_BYTES allows {max_bytes}", code="message_too_large"
    )


def message_not_found() -> NotFound:
    """The error for an id that no message of the conversation has."""
    return NotFound("Message not found", code="message_not_found")
