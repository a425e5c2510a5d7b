"""Spaces of the second copy of the vectors, and their indexes."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Space:
    """One version of one base. ``id`` is never used again; ``rows`` is the number of its vectors."""

    id: int
    base_id: str
    version: str
    rows: int


@dataclass(slots=True, frozen=True)
class SpaceIndex:
    """An index over one space. ``valid``: searches use it. ``building``: a session is building it."""

    name: str
    space: int
    valid: bool
    building: bool
