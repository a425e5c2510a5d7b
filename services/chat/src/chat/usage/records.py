"""Usage as chat's own code handles it."""

from dataclasses import dataclass
from datetime import date


@dataclass(slots=True, frozen=True)
class Used:
    """What a user used on one day (in UTC) with one agent and model; ``None``: no model was named."""

    day: date
    agent_id: str
    model: str | None
    messages: int
    tokens: int


@dataclass(slots=True, frozen=True)
class Days:
    """Days in UTC, both included."""

    first: date
    last: date
