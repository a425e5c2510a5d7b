"""Messages as chat's own code handles them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.trace_context import TraceContext


@dataclass(slots=True)
class NewMessage:
    """A message to append. ``trace``: the context of its fact, when that isn't the running span."""

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


@dataclass(slots=True)
class Placed:
    """The position of an appended message in its conversation, and the sequence of its fact."""

    created_at: datetime
    sequence: int


@dataclass(slots=True, frozen=True)
class Position:
    """A position in the order of a conversation's messages; none if ``id`` is None."""

    created_at: datetime | None
    id: UUID | None


@dataclass(slots=True)
class Message:
    """A stored message. ``tool_calls`` and ``tool_results`` stay encoded JSON, because they are only passed
    on."""

    id: UUID
    conversation_id: UUID
    role: str
    content: str
    tool_calls: str | None
    tool_results: str | None
    token_count: int | None
    latency_ms: int | None
    model: str | None
    created_at: datetime | None
