"""Pieces of turns as chat's own code handles them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.chat import Piece


@dataclass(slots=True, frozen=True)
class Limits:
    """How many bytes of JSON a piece may have, and all of a turn together."""

    piece_bytes: int
    turn_bytes: int


@dataclass(slots=True, frozen=True)
class NewPieces:
    """Pieces that a runtime shows in a turn, in the order in which they came. ``encoded`` has the JSON of
    each."""

    conversation_id: UUID
    turn_id: UUID
    token_sha256: str
    pieces: Sequence[Piece]
    encoded: Sequence[bytes]

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(map(len, self.encoded))
