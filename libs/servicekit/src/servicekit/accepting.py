"""Which form of an answer a caller accepts: JSON, or server-sent events."""

from typing import Literal, TypeAlias

from starlette.datastructures import Headers
from starlette.types import Scope

from servicekit.event_sources import EVENT_STREAM

Accepted: TypeAlias = Literal["json", "events"] | None
"""``None``: the caller says nothing, or that it takes anything."""

_EVENTS = (EVENT_STREAM, "text/*")
_ANYTHING = "*/*"


def accepted_by(scope: Scope) -> Accepted:
    """What the request's ``Accept`` asks for: server-sent events if it names them, unless it prefers JSON.

    Who names neither, but something else and not ``*/*``, gets JSON, as everywhere.
    """
    said: dict[str, float] = {}
    for each in ",".join(Headers(scope=scope).getlist("accept")).split(","):
        kind, *parameters = (part.strip().lower() for part in each.split(";"))
        if kind:
            said[kind] = _quality(parameters)
    events = max((said[kind] for kind in _EVENTS if kind in said), default=0.0)
    json = max((said[kind] for kind in ("application/json", "application/*") if kind in said), default=0.0)
    if events:
        return "events" if events >= json else "json"
    return None if not json and (not said or said.get(_ANYTHING)) else "json"


def _quality(parameters: list[str]) -> float:
    for name, _, value in (parameter.partition("=") for parameter in parameters):
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
