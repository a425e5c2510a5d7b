"""The agents that conversations can be started with."""

from takaro_agent_client.calls import Call, call, path
from takaro_agent_client.models import Agents


def listing() -> Call[Agents]:
    """All agents that the caller may start a conversation with: those of everybody, and the caller's own."""
    return call("chat", "GET", path("agents"), Agents.model_validate)
