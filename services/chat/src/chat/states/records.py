"""States of conversations as chat's own code handles them."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from common.trace_context import TraceContext


@dataclass(slots=True)
class LockedState:
    """The state of a conversation whose row this transaction has locked."""

    conversation_id: UUID
    user_id: str | None
    state: dict[str, Any]
    version: int
    encoded: bytes | None = None
    """``state`` as JSON, once it was encoded."""


@dataclass(slots=True, frozen=True)
class State:
    """A conversation's state and its version, and the state's JSON if it was encoded."""

    state: dict[str, Any]
    version: int
    encoded: bytes | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True, frozen=True)
class Condition:
    """Which version a state must have. ``None``: any.

    ``if_match`` and ``if_none_match`` are entity tags as :func:`chat.states.conditions.entity_tag` writes
    them; ``if_none_match`` is empty for ``*``, which no state fulfils, because each conversation has one.
    """

    if_match: frozenset[str] | None = None
    if_none_match: frozenset[str] | None = None
    expected_version: int | None = None


ANY_VERSION = Condition()


@dataclass(slots=True)
class StateEdit:
    """A change of a state: ``document`` is merged into it (RFC 7396), or replaces it as a whole."""

    conversation_id: UUID
    document: dict[str, Any]
    condition: Condition = ANY_VERSION
    trace: TraceContext | None = None
    replaces: bool = False


@dataclass(slots=True)
class EditedState:
    """A conversation's new state after ``facts`` edits, as JSON, to be written."""

    conversation_id: UUID
    state: bytes
    version: int
    facts: int
