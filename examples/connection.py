"""Where the services are and who asks, from the environment: what all these examples begin with.

`make run` needs no settings. Elsewhere set TAKARO_URL and TAKARO_TOKEN, or an address for each service.
"""

import os
from typing import Any


def settings() -> dict[str, Any]:
    """Arguments of ``Client`` and ``AsyncClient``."""
    token = os.environ.get("TAKARO_TOKEN")
    return {
        "origin": os.environ.get("TAKARO_URL", "http://127.0.0.1:3100"),
        "chat": os.environ.get("CHAT_URL"),
        "knowledge": os.environ.get("KNOWLEDGE_URL"),
        "cockpit": os.environ.get("COCKPIT_URL"),
        "token": token,
        "user": None if token else os.environ.get("TAKARO_USER", "ann"),
    }


def event_bus() -> str:
    """``redis://…`` or ``kafka://…``."""
    return os.environ.get("EVENT_BUS_URL", "redis://127.0.0.1:6379")
