"""Knowledge bases as chat knows them."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class ToldBase:
    """What a fact tells of a base. One that isn't ``public`` is its owner's. ``description`` and ``revision``
    are None in facts of earlier releases; a ``revision`` grows with each fact about the base."""

    id: str
    name: str
    description: str | None
    owner: str | None
    public: bool
    revision: int | None
    deleted: bool


@dataclass(slots=True, frozen=True)
class VisibleBase:
    """A base that a user may read."""

    id: str
    name: str
    description: str


@dataclass(slots=True, frozen=True)
class Found:
    """Which bases of a question a user may read; ``any_told``: chat was told of some base at all."""

    any_told: bool
    visible: frozenset[str]
