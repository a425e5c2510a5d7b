"""A requested sync, as the history shows it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from contracts.knowledge import SyncMode
from knowledge.requests.records import Reason

Position: TypeAlias = tuple[datetime, UUID]
"""A sync's place in the history: when it was requested, and its id."""


@dataclass(slots=True, frozen=True)
class SyncRecord:
    """A row of ``knowledge_syncs``, as the history shows it."""

    id: UUID
    job_id: str
    status: str
    mode: SyncMode
    reason: Reason
    result: dict[str, Any] | None
    error: str | None
    files: dict[str, Any] | None
    progress: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
