"""Conversations as chat's own code handles them."""

from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from common.trace_context import TraceContext


@dataclass(slots=True)
class NewConversation:
    """The initial values of a conversation; the agent is resolved. ``agent_version`` is None for the newest
    version of a custom agent, until the conversation is created."""

    id: UUID
    agent_id: str
    agent_version: str | None
    user_id: str
    title: str | None = None
    provider: str = "openrouter"
    metadata: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    trace: TraceContext | None = None


@dataclass(slots=True)
class Conversation:
    """A stored conversation. ``metadata`` and ``state`` stay encoded JSON, because they are only passed on.

    A list leaves out large ones; ``metadata_omitted`` and ``state_omitted`` say so.
    """

    id: UUID
    agent_id: str
    agent_version: str
    user_id: str | None
    title: str | None
    provider: str
    metadata: str | None
    state: str | None
    created_at: datetime | None
    updated_at: datetime | None
    metadata_omitted: bool = False
    state_omitted: bool = False


Position: TypeAlias = tuple[datetime | None, UUID]
"""A conversation's place in a list: a time, and its id."""


@dataclass(slots=True, frozen=True)
class ConversationFilter:
    """Which conversations are wanted: those for which all that is given holds. ``title`` is part of the
    title, in upper or lower case; times are from ``…_from`` on and before ``…_to``."""

    agent_id: str | None = None
    agent_version: str | None = None
    provider: str | None = None
    title: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None

    def values(self) -> tuple[Any, ...]:
        """The values in this order."""
        return astuple(self)


@dataclass(slots=True, frozen=True)
class TitleChange:
    """A conversation's new title; None removes it."""

    conversation_id: UUID
    title: str | None
    trace: TraceContext | None = None


@dataclass(slots=True, frozen=True)
class VersionChange:
    """The version of its agent that a conversation is to go on with."""

    conversation_id: UUID
    agent_version: str
    trace: TraceContext | None = None


@dataclass(slots=True)
class AgentOfConversation:
    """Which agent and version a locked conversation goes on with."""

    agent_id: str
    agent_version: str
    user_id: str | None


@dataclass(slots=True)
class DeletedConversation:
    """A deleted conversation, with the sequence of the last fact about it."""

    id: UUID
    user_id: str | None
    sequence: int
