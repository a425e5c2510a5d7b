"""How due conversations are parted into transactions. No I/O."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from chat.retention.records import Due

CONVERSATIONS_AT_ONCE = 100
MESSAGES_AT_ONCE = 5_000
"""A transaction deletes at most this many messages, or one conversation that has more."""


def parts(due: Sequence[Due]) -> Iterator[list[UUID]]:
    """The conversations in parts that one transaction deletes: few, and with a bounded number of messages."""
    part: list[UUID] = []
    messages = 0
    for conversation_id, count in due:
        if part and (len(part) == CONVERSATIONS_AT_ONCE or messages + count > MESSAGES_AT_ONCE):
            yield part
            part, messages = [], 0
        part.append(conversation_id)
        messages += count
    if part:
        yield part
