"""What chat answers about usage and quotas."""

from datetime import date, datetime
from typing import Literal, TypeAlias

from pydantic import Field

from takaro_agent_client.models.model import Model

Measure: TypeAlias = Literal["messages", "tokens"]
Period: TypeAlias = Literal["day", "month"]


class Used(Model):
    """What was used on one day, in UTC, with one agent and model. ``tokens`` came with the messages."""

    day: date
    agent_id: str
    model: str | None
    messages: int
    tokens: int


class Total(Model):
    """The sums of all days."""

    messages: int
    tokens: int


class Usage(Model):
    """A user's usage from ``first`` to ``last``, both included."""

    user_id: str
    first: date = Field(alias="from")
    last: date = Field(alias="to")
    used: list[Used]
    total: Total


class Quota(Model):
    """A quota: from ``soft`` on the user is warned, from ``hard`` on refused. ``used`` and ``resets_at`` are
    a user's; ``own`` is false for everybody's quota."""

    measure: Measure
    period: Period
    soft: int | None
    hard: int | None
    own: bool | None = None
    used: int | None = None
    resets_at: datetime | None = None
