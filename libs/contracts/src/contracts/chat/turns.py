"""The facts about turns: what a runtime works on in a conversation, one turn at a time.

Their subject is the conversation, and they count in its sequence. ``number`` counts a conversation's turns;
``throughSequence`` is the ``sequence`` of the last message that a turn answers.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from contracts import Contract


class TurnRequested(Contract):
    """A user's message waits for an answer, and no runtime works in the conversation: one may take the
    turn. Messages that come before it does belong to the same turn."""

    type: ClassVar[str] = "chat.turn.requested.v1"

    conversation_id: UUID
    turn_id: UUID
    number: int
    agent_id: str
    agent_version: str
    through_sequence: int
    requested_at: datetime


class TurnStarted(Contract):
    """A runtime has taken the turn. Until it ends, only that runtime appends messages of an assistant, a tool
    or the system, and changes the state."""

    type: ClassVar[str] = "chat.turn.started.v1"

    conversation_id: UUID
    turn_id: UUID
    number: int
    runtime: str
    through_sequence: int
    started_at: datetime


class TurnAwaiting(Contract):
    """The runtime waits for a person, who is to answer what ``tool`` asks with ``input``."""

    type: ClassVar[str] = "chat.turn.awaiting.v1"

    conversation_id: UUID
    turn_id: UUID
    number: int
    tool: str
    input: dict[str, Any]
    awaiting_since: datetime


class TurnAnswered(Contract):
    """The person has answered, and the turn goes on."""

    type: ClassVar[str] = "chat.turn.answered.v1"

    conversation_id: UUID
    turn_id: UUID
    number: int
    answer: dict[str, Any]
    answered_at: datetime


class TurnFinished(Contract):
    """The runtime has done its work. ``usage`` is what it says that it has used."""

    type: ClassVar[str] = "chat.turn.finished.v1"

    conversation_id: UUID
    turn_id: UUID
    number: int
    usage: dict[str, Any] | None = None
    finished_at: datetime


class TurnFailed(Contract):
    """The runtime has given up, for the reason in ``error``."""

    type: ClassVar[str] = "chat.turn.failed.v1"

    conversation_id: UUID
    turn_id: UUID
    number: int
    error: str
    failed_at: datetime


class TurnCancelled(Contract):
    """Somebody has stopped the turn. A runtime that still works on it can change nothing any more."""

    type: ClassVar[str] = "chat.turn.cancelled.v1"

    conversation_id: UUID
    turn_id: UUID
    number: int
    cancelled_at: datetime


class TurnInterrupted(Contract):
    """The runtime was not heard of in time: it died, froze or was cut off. It can change nothing any
    more."""

    type: ClassVar[str] = "chat.turn.interrupted.v1"

    conversation_id: UUID
    turn_id: UUID
    number: int
    interrupted_at: datetime


TURN_FACTS: tuple[type[Contract], ...] = (
    TurnRequested,
    TurnStarted,
    TurnAwaiting,
    TurnAnswered,
    TurnFinished,
    TurnFailed,
    TurnCancelled,
    TurnInterrupted,
)
