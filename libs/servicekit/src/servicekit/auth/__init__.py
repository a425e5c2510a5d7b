"""Who is calling, and with which scopes.

A caller proves who they are by a bearer token, by a cookie, or in development by the headers ``X-User-Id``
and ``X-Scope``; ``AUTH_MODE`` says which of these count.
"""

from servicekit.auth.authenticator import Authenticator
from servicekit.auth.caller import MAX_USER_ID, Caller, check_user_id
from servicekit.auth.dependencies import (
    CallerParam,
    OperatorParam,
    check_operator,
    require_caller,
    require_operator,
)

__all__ = [
    "MAX_USER_ID",
    "Authenticator",
    "Caller",
    "CallerParam",
    "OperatorParam",
    "check_operator",
    "check_user_id",
    "require_caller",
    "require_operator",
]
