"""What OpenAPI says of the ways in which callers prove who they are."""

from collections.abc import Mapping
from typing import Any

from servicekit.auth.login_cookie import NAME, SECURE_NAME

_SCHEMES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "dev": (
        "user",
        {
            "type": "apiKey",
            "in": "header",
            "name": "X-User-Id",
            "description": "On the local stack (`AUTH_MODE=dev`) the caller's id is enough; `X-Scope` gives "
            "scopes.",
        },
    ),
    "jwt": (
        "token",
        {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The caller is the token's `sub`; scopes are in `scope` or `scp`. "
            "`takaro token USER` makes one.",
        },
    ),
    "takaro": (
        "session",
        {
            "type": "apiKey",
            "in": "cookie",
            "name": "takaro-token",
            "description": "The cookies of a person who is signed in to Takaro, whichever names they have. "
            "A request that changes something needs this service's `Origin` with them.",
        },
    ),
}
"""A scheme's name and description by its word in ``AUTH_MODE``."""
_LOGIN: Mapping[str, Any] = {
    "type": "apiKey",
    "in": "cookie",
    "name": NAME,
    "description": "The cookie of a person who signed in at `/login` of the chat service; over HTTPS its "
    f"name is `{SECURE_NAME}`. A request that changes something needs this service's `Origin` with it.",
}


def schemes_of(auth_mode: str) -> dict[str, Any]:
    """The security schemes of an ``AUTH_MODE``, any of which is enough."""
    ways = auth_mode.split(",")
    login = {} if ways == ["takaro"] else {"login": dict(_LOGIN)}
    return {name: dict(scheme) for name, scheme in (_SCHEMES[way] for way in ways)} | login
