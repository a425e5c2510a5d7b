"""Forks as chat's own code handles them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chat.conversations.records import Conversation
from chat.messages.records import Message


@dataclass(slots=True, frozen=True)
class Source:
    """The conversation that is forked, held against deletion."""

    id: UUID
    agent_id: str
    agent_version: str
    user_id: str | None
    title: str | None
    provider: str
    metadata: dict[str, Any]
    state: dict[str, Any]


@dataclass(slots=True, frozen=True)
class LastCopied:
    """The message of the source that a fork ends with. ``id`` is None, and ``sequence`` 0, if it has none."""

    id: UUID | None
    sequence: int


@dataclass(slots=True, frozen=True)
class Fork:
    """A fork to be told of. ``messages`` of the source up to the sequence ``through`` are in the new
    conversation; from ``moved_from`` on they were moved, before it copied."""

    id: UUID
    source_id: UUID
    through: int
    messages: int
    moved_from: int | None = None


@dataclass(slots=True, frozen=True)
class UserMessage:
    """A user's message, as far as its replacement is concerned."""

    id: UUID
    sequence: int
    content: str
    redacted: bool


@dataclass(slots=True, frozen=True)
class Replaced:
    """What was replaced in a conversation: its messages from ``first`` to the sequence ``through`` are in
    ``branch_id`` now, and ``message_id`` takes the place of ``first``."""

    conversation_id: UUID
    first: UserMessage
    through: int
    branch_id: UUID
    message_id: UUID


@dataclass(slots=True, frozen=True)
class Replacement:
    """The message that replaces another one, and the conversation that has what was replaced."""

    message: Message
    branch: Conversation
