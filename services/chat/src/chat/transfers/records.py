"""Conversations on their way out."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


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
