"""What a search reads, and what it finds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from uuid import UUID

from knowledge.embeddings.questions import Vector
from knowledge.sources.links import Origin

MOST_CHUNKS = 2**31 - 8
"""Of a file, more than any has: its neighbours' numbers are integers of Postgres too."""

Mode: TypeAlias = Literal["hybrid", "vector", "text"]
ScoreKind: TypeAlias = Literal["rrf", "cosine", "bm25", "rerank"]


@dataclass(slots=True, frozen=True)
class Question:
    """What is asked: a text, or a vector of the caller's own, made by the same model."""

    text: str | None = None
    vector: Vector | None = None


@dataclass(slots=True, frozen=True)
class Shown:
    """What is done with hits. ``neighbours`` chunks before and after each are shown beside it, with
    ``linked`` where it came from. ``rerank``: a reranker sorts the best of them anew."""

    neighbours: int = 0
    linked: bool = False
    rerank: bool = False


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


@dataclass(slots=True, frozen=True)
class Place:
    """Where a chunk is in its file: the chunk with number ``index`` of ``path`` in one version of a base."""

    base_id: str
    version: str
    path: str
    index: int


@dataclass(slots=True, frozen=True)
class Surroundings:
    """What is shown beside hits: where their versions came from, by base and version, and the texts of
    chunks near them, by their place."""

    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)
    near: dict[Place, str] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Answer:
    """The answer to one question. ``kind`` says what the hits' ``score`` is. ``milliseconds`` has, beside the
    plan's, what the question's other parts took. ``not_reranked`` says why, if that was wanted."""

    found: Found
    kind: ScoreKind
    surroundings: Surroundings
    milliseconds: dict[str, float]
    not_reranked: str | None = None


def place_of(hit: Hit) -> Place | None:
    """The hit's place; ``None`` for a row whose writer didn't say it, or said what can't be."""
    path, index = hit.metadata.get("sourceFile"), hit.metadata.get("chunkIndex")
    if isinstance(path, str) and type(index) is int and 0 <= index < MOST_CHUNKS:  # true is an int too
        return Place(hit.base_id, hit.version, path, index)
    return None
