"""Feedback as chat's own code handles it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Rating = Literal["up", "down"]


@dataclass(slots=True, frozen=True)
class Feedback:
    """What a user thinks of a message. ``note``: in words."""

    user_id: str
    rating: Rating
    note: str | None


@dataclass(slots=True, frozen=True)
class Given:
    """Feedback that is stored, and when it was given or changed."""

    feedback: Feedback
    at: datetime


@dataclass(slots=True, frozen=True)
class RatedMessage:
    """A message of a locked conversation, as far as feedback is concerned."""

    id: UUID
    conversation_id: UUID
    role: str
    redacted: bool
    given: Given | None
