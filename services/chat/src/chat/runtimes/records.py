"""What runtimes get and may, as chat's own code handles it."""

from dataclasses import dataclass
from typing import Any

from chat.messages.records import Message
from chat.turns.records import Turn


@dataclass(slots=True, frozen=True)
class Limits:
    """The longest time, in seconds, for which a turn may be held in all; and the bytes of a message."""

    turn_seconds: int
    message_bytes: int


@dataclass(slots=True, frozen=True)
class Keeping:
    """For how long turns that have ended are kept, and what they have shown."""

    days: int
    piece_hours: int


@dataclass(slots=True, frozen=True)
class Context:
    """What a runtime needs to work in a conversation: its newest messages, oldest first, and its state."""

    user_id: str
    agent_id: str
    agent_version: str
    messages: list[Message]
    state: dict[str, Any]
    state_version: int


@dataclass(slots=True, frozen=True)
class Taken:
    """A turn that a runtime has taken, now or by an earlier request with the same key (``repeated``)."""

    turn: Turn
    context: Context
    repeated: bool
