"""States of conversations as chat's own code handles them."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from common.trace_context import TraceContext
from servicekit.conditions import ANY_VERSION, Condition


@dataclass(slots=True)
class EditableState:
    """The state of a conversation as it was read, to be edited."""

    conversation_id: UUID
    user_id: str | None
    state: dict[str, Any]
    version: int
    created_at: datetime | None
    """Of the conversation: with its owner, what tells it from another one of the same id."""
    turn_sha256: str | None = None
    """Of the conversation: the digest of the token of the turn that holds it."""
    encoded: bytes | None = None
    """``state`` as JSON, once it was encoded."""


@dataclass(slots=True, frozen=True)
class State:
    """A conversation's state and its version, and the state's JSON if it was encoded."""

    state: dict[str, Any]
    version: int
    encoded: bytes | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True, frozen=True)
class Author:
    """Who changes a state: a user over HTTP, or the source of a command."""

    user_id: str | None = None
    source: str | None = None


@dataclass(slots=True)
class StateEdit:
    """A change of a state: ``document`` is merged into it (RFC 7396), or replaces it as a whole."""

    conversation_id: UUID
    document: dict[str, Any]
    author: Author
    condition: Condition = ANY_VERSION
    trace: TraceContext | None = None
    replaces: bool = False
    turn_sha256: str | None = None
    """The digest of the turn's token that it came with."""


@dataclass(slots=True, frozen=True)
class Limits:
    """Bytes of JSON that a state may have; the newest versions that are kept of each state, and their bytes
    together."""

    state_bytes: int
    versions: int
    versions_bytes: int


@dataclass(slots=True, frozen=True)
class NewVersion:
    """A version of a state, as JSON, to be kept."""

    version: int
    state: bytes
    author: Author


@dataclass(slots=True)
class EditedState:
    """A conversation's state after ``facts`` edits of the version ``before``: its versions that are to be
    written, the newest last.

    Versions that would be removed at once aren't held.
    """

    current: EditableState
    before: int
    versions: deque[NewVersion] = field(default_factory=deque)
    bytes: int = 0
    facts: int = 0

    def add(self, version: NewVersion, limits: Limits) -> None:
        """Add the next version, of one more edit."""
        self.versions.append(version)
        self.bytes += len(version.state)
        self.facts += 1
        while len(self.versions) > 1 and (
            len(self.versions) > limits.versions or self.bytes > limits.versions_bytes
        ):
            self.bytes -= len(self.versions.popleft().state)


@dataclass(slots=True, frozen=True)
class StateVersion:
    """A version of a state: its ``bytes`` of JSON, who made it, and when, as far as is known.

    Not known is who made the state that a conversation was created with, and what other programs write.
    """

    version: int
    bytes: int
    user_id: str | None
    source: str | None
    changed_at: datetime | None


@dataclass(slots=True, frozen=True)
class KeptState:
    """The state at a version, as JSON."""

    about: StateVersion
    state: str


@dataclass(slots=True, frozen=True)
class CurrentState:
    """A conversation's owner, and the version that it is at, as far as its own row tells."""

    user_id: str | None
    about: StateVersion
