"""What is known of facts while they are followed."""

from dataclasses import dataclass
from typing import TypeAlias


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
class Connected:
    """A stream begins: what follows comes after this sequence. ``resumed``: the reader named it."""

    sequence: int
    resumed: bool


@dataclass(slots=True, frozen=True)
class Reset:
    """Facts are missing: what follows comes after this sequence."""

    sequence: int


@dataclass(slots=True, frozen=True)
class Ended:
    """Nothing will come any more."""

    reason: str


Step: TypeAlias = LiveFact | Connected | Reset | Ended
