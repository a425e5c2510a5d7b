"""What chat answers about conversations and messages."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from takaro_agent_client.models.model import Model


class Conversation(Model):
    """A conversation. A list leaves out ``state`` and ``metadata`` of over 16 KB and sets ``…_omitted``."""

    id: UUID
    agent_id: str
    agent_version: str
    user_id: str | None
    title: str | None
    provider: str | None
    metadata: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    created_at: datetime | None
    updated_at: datetime | None
    metadata_omitted: bool = False
    state_omitted: bool = False


class State(Model):
    """A conversation's state; ``version`` grows by one with each change."""

    state: dict[str, Any] | None
    version: int

    @property
    def etag(self) -> str:
        """The version as ``If-Match`` and ``If-None-Match`` take it."""
        return f'"{self.version}"'


class StateVersion(Model):
    """A version of a state: who made it, a user or the ``source`` of a command, and when, as far as is
    known. ``bytes`` are those of the state as JSON."""

    version: int
    bytes: int
    user_id: str | None
    source: str | None
    changed_at: datetime | None


class KeptState(StateVersion):
    """A state as it was at a version."""

    state: dict[str, Any] | None


class Feedback(Model):
    """What the owner of the conversation thinks of an assistant's message."""

    rating: Literal["up", "down"]
    note: str | None = None
    at: datetime


class Message(Model):
    """A message. ``sequence`` is its place in the conversation: 1, 2, 3 …"""

    id: UUID
    conversation_id: UUID
    role: str
    content: str
    token_count: int | None
    latency_ms: int | None
    created_at: datetime | None
    sequence: int
    model: str | None = None
    tool_executions: Any = None
    tool_results: Any = None
    feedback: Feedback | None = None
    redacted_at: datetime | None = None
    incomplete: Literal["interrupted", "failed", "cancelled"] | None = None


class Replacement(Model):
    """A message in place of another one, and the conversation that has what was replaced."""

    message: Message
    branch: Conversation


class Part(Model):
    """A piece of a fragment, as plain text; ``match``: it is what was searched for."""

    text: str
    match: bool


class FoundMessage(Model):
    """A message that was found. ``fragments`` are up to three pieces of its content, each in parts."""

    id: UUID
    conversation_id: UUID
    sequence: int
    role: str
    created_at: datetime | None
    conversation_title: str | None
    agent_id: str
    agent_version: str
    fragments: list[list[Part]]


class Imported(Model):
    """What was imported: the conversation's id, and how many messages."""

    id: UUID
    messages: int
