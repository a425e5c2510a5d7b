"""What was used: messages and tokens by agent, model and day."""

from datetime import date

from takaro_agent_client.calls import Call, call, path
from takaro_agent_client.models import Usage


def get(*, since: date | None = None, until: date | None = None, user_id: str | None = None) -> Call[Usage]:
    """The caller's usage from ``since`` to ``until``, both included; that of ``user_id`` with the scope
    ``operator``."""
    query = {"from": since, "to": until, "userId": user_id}
    return call("chat", "GET", path("usage"), Usage.model_validate, query=query)
