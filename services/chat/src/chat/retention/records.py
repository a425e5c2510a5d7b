"""How long conversations are kept, as chat's own code handles it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

CUSTOM = "custom"
"""Names all custom agents that have no retention of their own."""

Due: TypeAlias = tuple[UUID, int]
"""A conversation that is past its retention, and how many messages it has."""


@dataclass(slots=True, frozen=True)
class Retention:
    """Days after the last activity, in general and by agent id; ``None`` keeps conversations for ever."""

    general: int | None
    by_agent: Mapping[str, int | None]

    def deletes(self) -> bool:
        """Whether any conversation is ever deleted."""
        return any(days is not None for days in (self.general, *self.by_agent.values()))


@dataclass(slots=True, frozen=True)
class Step:
    """A bounded part of all conversations, in the order of their ids: those that are due, and the last id
    that was looked at. ``last`` is ``None`` if there were no more."""

    due: list[Due]
    last: UUID | None
