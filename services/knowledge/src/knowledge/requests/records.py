"""A requested sync."""

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from common.trace_context import TraceContext
from contracts.knowledge import SyncMode

Reason: TypeAlias = Literal["http", "command", "startup", "job", "registry", "schedule", "webhook"]
"""What requested a sync. ``registry``: a definition that is new or was changed."""


@dataclass(slots=True, frozen=True)
class SyncRequest:
    """A row of ``knowledge_syncs`` that isn't enqueued yet."""

    id: UUID
    knowledge_base_id: str
    mode: SyncMode
    reason: Reason
    job_id: str
    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None
    confirm_removal: bool = False

    @property
    def trace(self) -> TraceContext | None:
        """The trace context of the request."""
        return TraceContext.of(self.traceparent, self.tracestate, self.baggage)
