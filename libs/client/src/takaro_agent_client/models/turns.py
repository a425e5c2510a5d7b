"""What chat answers about turns."""

from datetime import datetime
from typing import Any
from uuid import UUID

from takaro_agent_client.models.chat import Message
from takaro_agent_client.models.model import Model


class Turn(Model):
    """A turn. ``state`` is ``requested``, ``running``, ``awaiting``, ``finished``, ``failed``, ``cancelled``
    or ``interrupted``; ``through_sequence`` is the last message that it answers."""

    turn_id: UUID
    conversation_id: UUID
    number: int
    state: str
    through_sequence: int
    runtime: str | None
    requested_at: datetime
    started_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    awaiting: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    error: str | None = None


class RenewedTurn(Turn):
    """A turn after its renewal. ``cancelled``: somebody has stopped it."""

    cancelled: bool


class ShownPieces(Model):
    """How far the pieces of a turn are stored: ``last_number`` is the number of the last one."""

    turn_id: UUID
    last_number: int


class TakenTurn(Model):
    """A turn that a runtime has taken: its token, the newest messages, oldest first, and the state."""

    turn_id: UUID
    conversation_id: UUID
    number: int
    token: str
    expires_at: datetime | None
    through_sequence: int
    user_id: str
    agent_id: str
    agent_version: str
    history: list[Message]
    history_cursor: str | None
    state: dict[str, Any] | None
    state_version: int
