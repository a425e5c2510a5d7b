"""Messages as chat's own code handles them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from common.trace_context import TraceContext
from contracts.chat import OnBusy

Incomplete: TypeAlias = Literal["interrupted", "failed", "cancelled"]
"""How a turn ended that left a message incomplete."""


@dataclass(slots=True)
class NewMessage:
    """A message to append. ``trace``: the context of its fact. ``owner``: whose conversation it must be; None
    for anybody's. ``turn_sha256``: the digest of the turn's token that it came with. ``on_busy``: what a
    user's does while a turn runs. ``incomplete``: it is what a turn had shown that ended so."""

    id: UUID
    conversation_id: UUID
    role: str
    content: str
    tool_calls: list[Any] | None = None
    tool_results: list[Any] | dict[str, Any] | None = None
    token_count: int | None = None
    latency_ms: int | None = None
    model: str | None = None
    trace: TraceContext | None = None
    owner: str | None = None
    turn_sha256: str | None = None
    on_busy: OnBusy = "queue"
    incomplete: Incomplete | None = None


@dataclass(slots=True)
class Placed:
    """The place of an appended message in its conversation, and that of its fact among all facts.
    ``created_at`` is text, as in :class:`Message`."""

    created_at: str
    sequence: int
    fact_sequence: int


@dataclass(slots=True)
class Message:
    """A stored message. ``sequence`` is its place in the conversation: 1, 2, 3 … ``tool_calls`` and
    ``tool_results`` stay encoded JSON, and ``id`` and ``created_at`` (RFC 3339 with microseconds) stay text,
    because they are only passed on."""

    id: str
    role: str
    content: str
    tool_calls: str | None
    tool_results: str | None
    token_count: int | None
    latency_ms: int | None
    model: str | None
    created_at: str | None
    sequence: int
    feedback: str | None = None
    """Encoded JSON as well."""
    redacted_at: datetime | None = None
    incomplete: Incomplete | None = None


@dataclass(slots=True)
class ListBegun:
    """A conversation's owner, the sequence of its last message, and its first messages."""

    owner: str | None
    until: int
    page: list[Message]
