"""What a search reads, and what it finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(slots=True, frozen=True)
class Wanted:
    """What is searched for, beside the question itself.

    ``base_ids`` are distinct. ``version`` is that of each of them; without one it is what a search of each
    reads by itself. ``limit`` is of all bases together. ``min_score`` is the least cosine similarity.
    ``filter`` is a ``jsonpath`` predicate over a chunk's metadata. Bases of another ``model`` aren't compared
    with.
    """

    base_ids: tuple[str, ...]
    user_id: str
    version: str | None
    limit: int
    min_score: float | None
    filter: str | None
    model: str


@dataclass(slots=True, frozen=True)
class Target:
    """What a search reads: one version of a base. ``visible``: whether the user may search it. ``current``:
    it is the version that the registry names. ``model`` is ``None`` before its first sync."""

    base_id: str
    visible: bool
    version: str
    current: bool
    model: str | None
    chunk_count: int


@dataclass(slots=True, frozen=True)
class Hit:
    """A chunk that was found. ``score`` is what the hits are sorted by; ``cosine`` is the similarity to the
    question's vector, where one was compared."""

    chunk: UUID
    base_id: str
    version: str
    content: str
    metadata: dict[str, Any]
    score: float
    cosine: float | None


@dataclass(slots=True, frozen=True)
class Plan:
    """How the hits were found: ``kind`` is ``exact``, ``index`` or the like, ``reason`` says why for people,
    ``milliseconds`` is how long each part took."""

    kind: str
    reason: str
    milliseconds: dict[str, float]


@dataclass(slots=True, frozen=True)
class Found:
    """``targets`` are those of ``base_ids`` that exist, in any order, also what the user may not search: who
    asked must check them. ``hits`` are only of those that the user may, best first."""

    targets: Sequence[Target]
    hits: Sequence[Hit]
    plan: Plan
