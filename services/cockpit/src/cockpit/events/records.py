"""Events of a session as cockpit's own code handles them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

STATUS_CHANGED = "server-status-changed"
"""A row that tells tabs of a start, stop or move. Not among the game's events, and not shown as one."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """A row of ``cockpit_events``. Its ids grow within a session, with gaps."""

    id: int
    event_name: str
    meta: Mapping[str, Any]
    created_at: datetime
