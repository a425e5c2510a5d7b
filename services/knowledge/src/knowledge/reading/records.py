"""A document of a base: the text of one source file, which is stored in chunks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from knowledge.sources.links import Origin


@dataclass(slots=True, frozen=True)
class Source:
    """Which version of which base is read, and where it came from. ``synced``: a sync of ours made its rows.
    Neighbouring chunks share at most ``overlap`` characters."""

    base_id: str
    version: str
    origin: Origin
    synced: bool
    overlap: int


@dataclass(slots=True, frozen=True)
class Listed:
    """A document in a list. ``chunks`` is their number."""

    path: str
    title: str | None
    chunks: int


@dataclass(slots=True, frozen=True)
class Piece:
    """A chunk of a document: number ``index`` of ``total``."""

    path: str
    index: int
    total: int
    content: str
    metadata: dict[str, Any]


@dataclass(slots=True, frozen=True)
class Document:
    """A part of a document: its chunks from number ``start`` to before ``end``, of ``total``, as one
    ``text``. ``metadata`` is that of its first chunk."""

    source: Source
    path: str
    text: str
    start: int
    end: int
    total: int
    metadata: dict[str, Any]


def piece_of(found: Sequence[Piece], index: int) -> Piece | None:
    """The piece with this number."""
    return next((piece for piece in found if piece.index == index), None)
