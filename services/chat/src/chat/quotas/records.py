"""Quotas as chat's own code handles them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

Measure: TypeAlias = Literal["messages", "tokens"]
Period: TypeAlias = Literal["day", "month"]

EVERYBODY = ""
"""Stands for a user in a quota that holds for all who have none of that kind of their own."""


@dataclass(slots=True, frozen=True)
class Kind:
    """What a quota counts, and for how long; days and months are those of UTC."""

    measure: Measure
    period: Period


@dataclass(slots=True, frozen=True)
class Limits:
    """From ``soft`` on a user is warned, from ``hard`` on refused. One of them may be absent."""

    soft: int | None
    hard: int | None


@dataclass(slots=True)
class Quota:
    """A user's quota with what they have ``used`` of it, which begins again at ``resets_at``.

    ``own``: it was set for this user, not for everybody. ``now`` is the database's time of the count.
    """

    user_id: str
    kind: Kind
    limits: Limits
    own: bool
    used: int
    resets_at: datetime
    now: datetime

    def allows(self, messages: int) -> bool:
        """Whether so many messages fit. The one that uses the last tokens may use more than are left."""
        if self.limits.hard is None:
            return True
        return self.used + (messages if self.kind.measure == "messages" else 1) <= self.limits.hard

    @property
    def low(self) -> bool:
        """Whether the user is to be warned."""
        return self.limits.soft is not None and self.used >= self.limits.soft


@dataclass(slots=True, frozen=True)
class SetQuota:
    """A quota as it was set."""

    kind: Kind
    limits: Limits


@dataclass(slots=True, frozen=True)
class Wanted:
    """A message that is to be stored, and the tokens that it would use."""

    id: UUID
    conversation_id: UUID
    tokens: int | None
