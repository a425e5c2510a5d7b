"""Usage on the wire."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import Query
from pydantic import BeforeValidator, Field
from typing_extensions import TypedDict

from chat.usage.records import Days, Used
from contracts.storable import Text
from servicekit.auth import MAX_USER_ID

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _as_day(value: Any) -> Any:
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("must be a day, such as 2026-11-28")
    return value


Day = Annotated[date, BeforeValidator(_as_day)]
UserIdQuery = Annotated[
    Text | None,
    Query(alias="userId", min_length=1, max_length=MAX_USER_ID, description="another user, for operators"),
]


DayJson = Annotated[str, Field(json_schema_extra={"format": "date"})]


class UsedJson(TypedDict):
    """What was used on one day, in UTC, with one agent and model."""

    day: DayJson
    agentId: str
    model: str | None
    messages: int
    tokens: int


class TotalJson(TypedDict):
    """The sums of all days."""

    messages: int
    tokens: int


UsageJson = TypedDict(
    "UsageJson",
    {"userId": str, "from": DayJson, "to": DayJson, "used": list[UsedJson], "total": TotalJson},
)
"""A user's usage on some days, both included. ``from`` is no name of an attribute."""


def usage_json(user_id: str, days: Days, used: Sequence[Used]) -> UsageJson:
    """Usage as clients know it. ``tokens`` are those that came with messages (``tokenCount``)."""
    return {
        "userId": user_id,
        "from": days.first.isoformat(),
        "to": days.last.isoformat(),
        "used": [
            {
                "day": each.day.isoformat(),
                "agentId": each.agent_id,
                "model": each.model,
                "messages": each.messages,
                "tokens": each.tokens,
            }
            for each in used
        ],
        "total": {
            "messages": sum(each.messages for each in used),
            "tokens": sum(each.tokens for each in used),
        },
    }
