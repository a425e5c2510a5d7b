"""Events of a session as cockpit's own code handles them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

STATUS_CHANGED = "server-status-changed"
"""The name of a row that records a start, stop or move of the server. It isn't an event of the game."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """A row of ``cockpit_events``. Its ids grow within a session, with gaps."""

    id: int
    event_name: str
    meta: Mapping[str, Any]
    created_at: datetime
