"""How much users may use in a day or a month. Everybody reads their own; the scope ``operator`` sets them."""

from typing import Any

from takaro_agent_client.calls import Call, call, each, in_query, nothing, path
from takaro_agent_client.models import Measure, Period, Quota


def listing(*, user_id: str | None = None, everybody: bool | None = None) -> Call[list[Quota]]:
    """The caller's quotas with what is used of them; for operators any user's, or everybody's limits."""
    return call("chat", "GET", path("quotas"), each(Quota), query=_whose(user_id, everybody))


def set(
    measure: Measure,
    period: Period,
    *,
    soft: int | None = None,
    hard: int | None = None,
    user_id: str | None = None,
    everybody: bool | None = None,
) -> Call[None]:
    """Set a user's quota, or that of all who have none of their own; give ``soft``, ``hard`` or both."""
    return Call(
        "chat",
        "PUT",
        path("quotas", measure, period),
        nothing,
        query=in_query(_whose(user_id, everybody)),
        body=in_query({"soft": soft, "hard": hard}),
    )


def remove(
    measure: Measure, period: Period, *, user_id: str | None = None, everybody: bool | None = None
) -> Call[None]:
    """Remove a user's quota, or everybody's."""
    query = in_query(_whose(user_id, everybody))
    return Call("chat", "DELETE", path("quotas", measure, period), nothing, query=query)


def _whose(user_id: str | None, everybody: bool | None) -> dict[str, Any]:
    return {"userId": user_id, "everybody": everybody}
