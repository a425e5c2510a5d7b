"""Checks a request's credentials as ``AUTH_MODE`` requires."""

import httpx
from fastapi import Request

from common.errors import NotAuthenticated
from servicekit.auth.bearer_tokens import BearerTokens
from servicekit.auth.caller import Caller, check_user_id
from servicekit.auth.takaro_sessions import TakaroSessions
from servicekit.origins import check_origin
from servicekit.scopes import parse_scopes
from servicekit.settings import ServiceSettings


class Authenticator:
    """Knows who is calling. A bearer token comes before a cookie.

    ``http`` must keep no cookies: one client asks about all callers.
    """

    def __init__(self, settings: ServiceSettings, http: httpx.AsyncClient) -> None:
        ways = settings.auth_ways()
        self._dev = "dev" in ways
        self._tokens = BearerTokens(settings, http) if "jwt" in ways else None
        self._sessions: TakaroSessions | None = None
        if "takaro" in ways:
            assert settings.takaro_api_url is not None
            self._sessions = TakaroSessions(settings.takaro_api_url, http)
        self._origins = settings.allowed_origins()

    async def caller(self, request: Request) -> Caller:
        """The caller. Raises :class:`NotAuthenticated` without valid credentials, and ``Forbidden`` for a
        cookie in a request of another site that changes something."""
        if self._dev:
            headers = request.headers
            scopes = parse_scopes(headers.get("x-scope", ""))
            caller = Caller(headers.get("x-user-id", "").strip(), scopes=scopes)
            check_user_id(caller.user_id)
            return caller
        if self._tokens is not None:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer" and token:
                return await self._tokens.caller(token)
        if self._sessions is not None and (cookie := _cookie_of(request)):
            check_origin(request, self._origins)
            return await self._sessions.caller(cookie)
        raise NotAuthenticated("Not authenticated")


def _cookie_of(request: Request) -> bytes:
    """All cookies, as one header (RFC 9113, 8.2.3: HTTP/2 may divide them)."""
    return b"; ".join(value for name, value in request.scope["headers"] if name == b"cookie").strip()
