"""Conversations on their way out and in."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chat.states.records import Limits


@dataclass(slots=True)
class ExportedConversation:
    """A conversation with everything that is stored of it. ``metadata`` and ``state`` are JSON;
    ``message_sequence`` is the last place that was given, ``last_sequence`` that of the last message."""

    id: UUID
    user_id: str | None
    agent_id: str
    agent_version: str
    title: str | None
    provider: str
    metadata: str | None
    state: str | None
    state_version: int
    created_at: datetime | None
    updated_at: datetime | None
    message_sequence: int
    last_sequence: int


@dataclass(slots=True, frozen=True)
class ImportLimits:
    """How large states, metadata and their histories may be, and the bytes of a message."""

    states: Limits
    message_bytes: int

    @property
    def line_bytes(self) -> int:
        """A line is JSON, whose escapes take up to six times the room."""
        return 6 * max(2 * self.states.state_bytes, self.message_bytes) + 65_536


@dataclass(slots=True, frozen=True)
class Imported:
    """What was imported: the conversation, and how many messages."""

    id: UUID
    messages: int
