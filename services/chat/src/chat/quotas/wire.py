"""Quotas on the wire."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired

from fastapi import Path, Query
from pydantic import Field
from typing_extensions import TypedDict

from chat.quotas.records import Kind, Limits, Measure, Period, Quota, SetQuota
from common.json_time import json_time
from contracts.storable import Text
from servicekit.answers import Body
from servicekit.auth import MAX_USER_ID
from servicekit.forms import Time

MOST = 2**53 - 1
"""What every client's JSON can count to."""
WARNING = "X-Quota-Warning"
_SAID = "81 of 100 messages of this day are used; it resets at 2026-11-29T00:00:00.000Z"
WARNED: Mapping[str, Any] = {
    WARNING: {
        "description": "The user has reached a soft limit. Absent otherwise.",
        "schema": {"type": "string", "examples": [_SAID]},
    }
}
EXCEEDED = {429: "A quota is used up: `quota` says which, and until when."}
OPERATORS_ONLY = {403: "The caller has no token with the scope `operator`."}

Limit = Annotated[int | None, Field(ge=0, le=MOST)]
UserIdQuery = Annotated[
    Text | None, Query(alias="userId", min_length=1, max_length=MAX_USER_ID, description="whose it is")
]
EverybodyQuery = Annotated[
    bool, Query(description="instead of `userId`: all who have none of that kind of their own")
]
MeasurePath = Annotated[Measure, Path(description="what is counted")]
PeriodPath = Annotated[Period, Path(description="for how long, in UTC")]


class SetLimits(Body):
    """From ``soft`` on the user is warned, from ``hard`` on refused. One of them may be left out."""

    soft: Limit = Field(None, examples=[80])
    hard: Limit = Field(None, examples=[100])

    def limits(self) -> Limits:
        """The limits to set."""
        return Limits(self.soft, self.hard)


class QuotaJson(TypedDict):
    """A quota. ``used`` and ``resetsAt`` are a user's; ``own`` is false for everybody's quota."""

    measure: Measure
    period: Period
    soft: int | None
    hard: int | None
    own: NotRequired[bool]
    used: NotRequired[int]
    resetsAt: NotRequired[Time]


def _kind_json(kind: Kind, limits: Limits) -> QuotaJson:
    return {"measure": kind.measure, "period": kind.period, "soft": limits.soft, "hard": limits.hard}


def quota_json(quota: Quota) -> Mapping[str, Any]:
    """A user's quota as clients know it."""
    answer = _kind_json(quota.kind, quota.limits)
    answer["own"] = quota.own
    answer["used"] = quota.used
    answer["resetsAt"] = json_time(quota.resets_at)
    return answer


def set_json(quota: SetQuota) -> Mapping[str, Any]:
    """A quota as it was set."""
    return _kind_json(quota.kind, quota.limits)
