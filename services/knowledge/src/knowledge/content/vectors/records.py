"""Spaces of the second copy of the vectors, and their indexes."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Space:
    """One version of one base. ``id`` is never used again; ``rows`` is the number of its vectors;
    ``ef_search`` is what its index needs, ``None`` until that was measured."""

    id: int
    base_id: str
    version: str
    rows: int
    ef_search: int | None = None


@dataclass(slots=True, frozen=True)
class SpaceIndex:
    """An index over one space. ``valid``: searches use it. ``building``: a session is building it."""

    name: str
    space: int
    valid: bool
    building: bool


@dataclass(slots=True, frozen=True)
class Recall:
    """The share of the true ten nearest that an index finds at ``ef_search``. ``far``: of questions from
    other spaces. ``None`` if the space has no rows any more."""

    ef_search: int
    far: bool
    recall: float | None
