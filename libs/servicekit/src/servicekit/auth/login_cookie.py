"""The cookie of those who signed in at ``/login``: a bearer token, or in development a name.

Scripts can't read it, and a browser sends it with requests of our own pages only. Over HTTPS its name begins
with ``__Host-``, so that no other host, not even a neighbour below the same domain, can have set it.
Source: draft-ietf-httpbis-rfc6265bis, "Cookie Name Prefixes".
"""

from urllib.parse import quote, unquote

from starlette.responses import Response
from starlette.types import Scope

NAME = "takaro_login"
SECURE_NAME = f"__Host-{NAME}"

MAX_VALUE = 3_800
"""Characters. Browsers drop a cookie over 4,096 bytes without a word."""

LONGEST_SECONDS = 400 * 24 * 3600
"""Browsers keep no cookie for longer."""


def read_cookies(scope: Scope) -> tuple[str | None, bytes]:
    """The value of our own cookie, and the header with all the others."""
    own: dict[str, str] = {}
    others = []
    for name, value in scope["headers"]:
        if name == b"cookie":
            for part in value.split(b";"):
                key, _, content = part.strip().partition(b"=")
                if key.decode("latin-1") in (NAME, SECURE_NAME):
                    own.setdefault(key.decode("latin-1"), content.decode("latin-1"))
                elif part.strip():
                    others.append(part.strip())
    value = own.get(SECURE_NAME)
    if value is None and scope["scheme"] != "https":
        value = own.get(NAME)
    return (unquote(value) if value else None), b"; ".join(others)


def set_login(response: Response, scope: Scope, value: str, seconds: float | None) -> None:
    """Keep ``value`` in the caller's browser for so long; with None until the browser ends."""
    age = None if seconds is None else min(int(seconds), LONGEST_SECONDS)
    secure = scope["scheme"] == "https"
    response.set_cookie(
        SECURE_NAME if secure else NAME,
        quote(value, safe=""),
        max_age=age,
        secure=secure,
        httponly=True,
        samesite="strict",
    )


def delete_login(response: Response, scope: Scope) -> None:
    """Take the cookie out of the caller's browser."""
    response.delete_cookie(NAME, httponly=True, samesite="strict")
    if scope["scheme"] == "https":
        response.delete_cookie(SECURE_NAME, secure=True, httponly=True, samesite="strict")
