"""What was used: messages and tokens by agent, model and day."""

from datetime import date
from typing import Any

from takaro_agent_client.calls import Call, call, path


def get(
    *, since: date | None = None, until: date | None = None, user_id: str | None = None
) -> Call[dict[str, Any]]:
    """The caller's usage, as JSON; that of ``user_id`` with the scope ``operator``."""
    query = {"from": since and since.isoformat(), "to": until and until.isoformat(), "userId": user_id}
    return call("chat", "GET", path("usage"), dict, query=query)
