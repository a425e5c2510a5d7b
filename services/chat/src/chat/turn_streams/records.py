"""What is known of turns while they are followed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from chat.turns.records import HELD, State


@dataclass(slots=True, frozen=True)
class Piece:
    """A piece that a runtime has shown. ``number`` counts those of its turn: 1, 2, 3 … ``data`` is its JSON,
    on one line."""

    number: int
    type: str
    data: str

    @property
    def size(self) -> int:
        """Bytes of memory, roughly: its data, and 200 for all the rest."""
        return len(self.data) + 200


@dataclass(slots=True, frozen=True)
class Progress:
    """How far a turn is: its state, what it waits for, how it ended, and the number of its last piece."""

    state: State
    awaiting: dict[str, Any] | None
    usage: dict[str, Any] | None
    error: str | None
    last: int

    @property
    def ended(self) -> bool:
        """Whether it shows nothing more."""
        return self.state != "requested" and self.state not in HELD


@dataclass(slots=True, frozen=True)
class News:
    """What a look finds of a turn: None for ``progress`` if there is no such turn. ``rows`` are pieces that
    were stored together: the numbers of the first and the last, and all of them as a JSON array."""

    turn_id: UUID
    progress: Progress | None
    rows: Sequence[tuple[int, int, str]]


@dataclass(slots=True, frozen=True)
class Opened:
    """A stream begins."""


@dataclass(slots=True, frozen=True)
class Shown:
    """Pieces that follow those before, in order."""

    pieces: Sequence[Piece]


@dataclass(slots=True, frozen=True)
class Awaits:
    """The turn waits for a person."""

    question: dict[str, Any]


@dataclass(slots=True, frozen=True)
class Over:
    """Nothing follows. ``progress`` is the end of the turn; None if it was deleted."""

    progress: Progress | None


@dataclass(slots=True, frozen=True)
class Unanswered:
    """Nothing follows, because no runtime answers. ``reason`` is for people, ``code`` for programs."""

    reason: str
    code: str


Step: TypeAlias = Opened | Shown | Awaits | Over | Unanswered
