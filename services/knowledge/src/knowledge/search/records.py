"""What a search reads, and what it finds."""

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, frozen=True)
class Target:
    """What a search reads: one version of a base. ``current``: it is the one that the registry names.
    ``model`` is ``None`` before its first sync."""

    visible: bool
    version: str
    current: bool
    model: str | None
    chunk_count: int


@dataclass(slots=True, frozen=True)
class Hit:
    """A chunk that was found; ``score`` is the cosine similarity."""

    content: str
    score: float
    metadata: dict[str, Any]
