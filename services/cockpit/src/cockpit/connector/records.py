"""Connections of mock servers, as their holder handles them."""

from dataclasses import dataclass
from datetime import timedelta

from cockpit.game.records import GameEvent


@dataclass(frozen=True, slots=True)
class Standing:
    """The status of a server, and for how long it has had it. ``stopped`` too if it no longer connects."""

    status: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class Wanted:
    """A server that is to be connected, and the name of the lease for that."""

    user_id: str
    lease: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class TakaroEvent:
    """An event that waits for Takaro. Ids of a server's events grow in the order of the events."""

    id: int
    event: GameEvent


@dataclass(frozen=True, slots=True)
class Sent:
    """Takaro has a server's events up to this one."""

    user_id: str
    through: int
    lease: str
    epoch: int
