"""Checks a request's credentials as ``AUTH_MODE`` requires."""

from dataclasses import replace

import httpx
from fastapi import Request

from common.errors import NotAuthenticated
from servicekit.auth.bearer_tokens import BearerTokens
from servicekit.auth.caller import Caller, check_user_id
from servicekit.auth.login_cookie import read_cookies
from servicekit.auth.takaro_sessions import TakaroSessions
from servicekit.origins import check_origin, require_origin
from servicekit.scopes import parse_agents, parse_scopes
from servicekit.settings import ServiceSettings


class Authenticator:
    """Knows who is calling. A bearer token, or development's header, comes before a cookie.

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
        headers = request.headers
        if self._dev and (user_id := headers.get("x-user-id", "").strip()):
            check_user_id(user_id)
            scopes = parse_scopes(headers.get("x-scope", ""))
            return Caller(user_id, scopes=scopes, agents=parse_agents(headers.get("x-agents", "")))
        if self._tokens is not None:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer" and token:
                return await self._tokens.caller(token)
        if "cookie" in headers:
            return await self._caller_by_cookie(request)
        raise NotAuthenticated("Not authenticated")

    async def caller_of(self, secret: str) -> Caller:
        """Whose a bearer token, or in development a name, is when it comes as the cookie of ``/login``.

        Raises :class:`NotAuthenticated` if it doesn't count.
        """
        if self._dev:
            check_user_id(secret)
            return Caller(secret, by_cookie=True)
        if self._tokens is None:
            raise NotAuthenticated("Not authenticated")
        return replace(await self._tokens.caller(secret), by_cookie=True)

    def require_own_page(self, request: Request) -> None:
        """Raise ``Forbidden`` for a request that no page of ours made."""
        require_origin(request, self._origins)

    async def _caller_by_cookie(self, request: Request) -> Caller:
        signed_in, others = read_cookies(request.scope)
        if not self._dev and self._tokens is None:
            signed_in = None
        if signed_in is None and (self._sessions is None or not others):
            raise NotAuthenticated("Not authenticated")
        check_origin(request, self._origins)
        if signed_in is not None:
            try:
                return await self.caller_of(signed_in)
            except NotAuthenticated:
                if self._sessions is None or not others:
                    raise
        assert self._sessions is not None
        return await self._sessions.caller(others)
