"""What keeps the calls to Takaro few."""

from servicekit.auth import takaro_sessions
from servicekit.auth.takaro_sessions import TakaroSessions
from tests.support.without.patch import Patch


def remembered_sessions(patch: Patch) -> None:
    """Whose a cookie is is asked for each request."""
    patch.setattr(takaro_sessions, "REMEMBERED_SECONDS", 0.0)


def one_call_for_many(patch: Patch) -> None:
    """Requests that come while Takaro is asked ask too."""
    patch.setattr(TakaroSessions, "_ask_once", TakaroSessions._ask)
