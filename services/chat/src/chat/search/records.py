"""What a search asks for and finds."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

Position: TypeAlias = tuple[datetime, UUID, int]
"""Where a message stands among all of a user's: its time, its conversation, its place in that."""


@dataclass(slots=True, frozen=True)
class Query:
    """What was typed, as Postgres reads it: ``text`` for ``websearch_to_tsquery``; ``owned``, the ``tsquery``
    with the owner's word."""

    text: str
    owned: str


@dataclass(slots=True, frozen=True)
class Part:
    """A piece of a fragment; ``match``: it is what was searched for."""

    text: str
    match: bool


@dataclass(slots=True, frozen=True)
class Hit:
    """A message that was found, without its content. ``fragments`` are pieces of it, in its order."""

    id: UUID
    conversation_id: UUID
    sequence: int
    role: str
    created_at: datetime | None
    title: str | None
    agent_id: str
    agent_version: str
    fragments: list[list[Part]]
