"""What is known of facts while they are followed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from chat.turn_streams.records import Piece


@dataclass(slots=True)
class LiveFact:
    """A fact as it was read. ``data`` is its JSON, undecoded; ``sequence`` counts those of its subject."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    sequence: int
    data: bytes

    @property
    def size(self) -> int:
        """Bytes of memory, roughly: its data, and 1 KB for all the rest."""
        return len(self.data) + 1_000


@dataclass(slots=True, frozen=True)
class LiveTurn:
    """A turn of the conversation; ``number`` counts those."""

    id: UUID
    number: int


@dataclass(slots=True, frozen=True)
class Progress:
    """The sequence of a conversation's last fact, and the turn that ran then."""

    sequence: int
    running: LiveTurn | None


@dataclass(slots=True, frozen=True)
class Position:
    """How far a reader is: the sequence of the last fact, and, if it has pieces of a turn that may go on, the
    numbers of that turn and of the last piece. As text it is the id of an event."""

    sequence: int
    turn: int | None = None
    piece: int = 0

    def __str__(self) -> str:
        return str(self.sequence) if self.turn is None else f"{self.sequence}-{self.turn}-{self.piece}"


@dataclass(slots=True, frozen=True)
class Connected:
    """A stream begins: what follows comes after this position. ``resumed``: the reader named it. ``running``
    is the turn that runs there."""

    position: Position
    resumed: bool
    running: LiveTurn | None

    @property
    def sequence(self) -> int:
        """That of the last fact before."""
        return self.position.sequence


@dataclass(slots=True, frozen=True)
class Told:
    """A fact, and where the reader is with it."""

    fact: LiveFact
    position: Position

    @property
    def sequence(self) -> int:
        """That of the fact."""
        return self.position.sequence


@dataclass(slots=True, frozen=True)
class LivePieces:
    """Pieces of a turn that runs, in order; ``sequence`` is that of the last fact before them."""

    turn: LiveTurn
    sequence: int
    pieces: Sequence[Piece]


@dataclass(slots=True, frozen=True)
class Reset:
    """Facts are missing: what follows comes after this sequence."""

    sequence: int


@dataclass(slots=True, frozen=True)
class Ended:
    """Nothing will come any more."""

    reason: str


Step: TypeAlias = Told | LivePieces | Connected | Reset | Ended
