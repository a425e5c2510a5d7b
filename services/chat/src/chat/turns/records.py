"""Turns as chat's own code handles them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

State: TypeAlias = Literal[
    "requested", "running", "awaiting", "finished", "failed", "cancelled", "interrupted"
]
End: TypeAlias = Literal["finished", "failed", "cancelled", "interrupted"]

HELD: frozenset[State] = frozenset({"running", "awaiting"})
"""The states in which a runtime holds the turn."""


@dataclass(slots=True, frozen=True)
class Turn:
    """A turn. ``number`` counts those of its conversation, ``through_sequence`` is the last message that it
    answers, and ``waiting_sequence`` the last of a user's that came while it ran and asks for the next turn.

    ``token_sha256`` is the digest, in hexadecimal, of the token that its runtime has. ``expired``: its
    runtime hasn't renewed it in time. ``awaiting`` is what it asks a person, ``{tool, input}``, and
    ``answer`` what the person has said.
    """

    id: UUID
    conversation_id: UUID
    number: int
    state: State
    through_sequence: int
    waiting_sequence: int | None
    runtime: str | None
    token_sha256: str | None
    take_request_sha256: bytes | None
    requested_at: datetime
    started_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    awaiting: dict[str, Any] | None
    answer: dict[str, Any] | None
    usage: dict[str, Any] | None
    error: str | None
    expired: bool

    @property
    def held(self) -> bool:
        """Whether a runtime holds it, in time or not."""
        return self.state in HELD


@dataclass(slots=True, frozen=True)
class Taking:
    """How a runtime takes a turn: who it is, the digest of its token, and for how many seconds at first.

    ``key_sha256`` and ``request_sha256`` are the digests of its ``Idempotency-Key`` and of what it asked for
    with it.
    """

    runtime: str
    token_sha256: str
    ttl_seconds: int
    key_sha256: bytes | None = None
    request_sha256: bytes | None = None


@dataclass(slots=True, frozen=True)
class Ending:
    """How a turn ends: ``error`` of a failed one, ``usage`` of a finished one."""

    state: End
    usage: dict[str, Any] | None = None
    error: str | None = None


@dataclass(slots=True, frozen=True)
class PieceRow:
    """Pieces of a turn that were stored together: the numbers of the first and the last, and all of them as a
    JSON array, each as a runtime sent it."""

    turn_id: UUID
    first: int
    last: int
    pieces: str
