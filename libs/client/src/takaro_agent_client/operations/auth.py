"""Who is calling."""

from takaro_agent_client.calls import Call, reads
from takaro_agent_client.models import Me


def me() -> Call[Me]:
    """The caller, as far as their credentials say it."""
    return Call("chat", "GET", "/auth/me", reads(Me.model_validate))
