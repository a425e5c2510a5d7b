"""What the queue reads of other runs."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(slots=True, frozen=True)
class Answer:
    """How a run ended that also stood for other requests. ``error`` is ``None`` if it completed;
    ``permanent``: it would fail again."""

    run_id: UUID
    result: dict[str, Any] | None
    error: str | None
    files: dict[str, Any] | None
    permanent: bool
