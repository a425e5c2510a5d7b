"""How large what is appended in bulk may be. No I/O."""

from collections.abc import Sequence

from chat.messages.records import NewMessage
from chat.messages.rules import message_bytes, too_large
from common.errors import TooLarge


def check_sizes(messages: Sequence[NewMessage], max_bytes: int, max_bytes_of_all: int) -> None:
    """Raise :class:`TooLarge` for a message over ``max_bytes``, and for more than ``max_bytes_of_all``
    together.

    JSON can take more room as it is stored than as it was sent: ``1e308`` has 309 digits then.
    """
    total = 0
    for message in messages:
        size = message_bytes(message.content, message.tool_calls, message.tool_results)
        if size > max_bytes:
            raise too_large(size, max_bytes)
        total += size
    if total > max_bytes_of_all:
        raise TooLarge(
            f"The messages have {total} bytes together; at most {max_bytes_of_all} are appended at once",
            code="messages_too_large",
        )
