"""Who is calling, and with which scopes: a bearer token's claims, or in development the headers ``X-User-Id``
and ``X-Scope``."""

import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

import httpx
import jwt
import structlog
from fastapi import Depends, Request

from common.errors import Forbidden, Invalid, NotAuthenticated
from contracts.storable import check_text
from servicekit.issuer_keys import IssuerKeys
from servicekit.scopes import OPERATOR, parse_scopes, scopes_of
from servicekit.settings import ServiceSettings

log = structlog.get_logger()

MAX_USER_ID = 255
"""``user_id`` is a ``varchar(255)`` in every table."""

_ASYMMETRIC = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA"]


_LATEST = 253_402_300_799
"""The end of the year 9999. A later expiry counts as none."""

REMEMBERED_TOKENS = 10_000
"""Verified tokens of one process: about 5 MB. The oldest is forgotten first."""

LEEWAY_SECONDS = 30
"""The tolerated difference between an issuer's clock and ours, in seconds."""


@dataclass(slots=True, frozen=True)
class Caller:
    """An authenticated caller. ``expires_at`` (POSIX time) is when its credentials expire."""

    user_id: str
    expires_at: float | None = None
    scopes: frozenset[str] = frozenset()

    def seconds_left(self) -> float | None:
        """Seconds until the caller's credentials expire; ``None`` if they don't."""
        return None if self.expires_at is None else max(0.0, self.expires_at - time.time())


@dataclass(slots=True, frozen=True)
class _Verified:
    """A token's caller, and the key set, by its number, that the token was verified with."""

    caller: Caller
    key_set: int

    def holds(self, keys: IssuerKeys | None) -> bool:
        """Whether the token still counts: it hasn't expired, and the key set is still the current one."""
        expires_at = self.caller.expires_at
        if expires_at is not None and expires_at <= time.time():
            return False
        return keys is None or 0 != self.key_set == keys.fetched()


class Authenticator:
    """Checks a request's credentials as ``AUTH_MODE`` requires.

    A token is verified once, and then remembered by its SHA-256 until it expires or the issuer's keys are
    fetched again, so that a withdrawn key counts for no longer than without it.
    """

    def __init__(self, settings: ServiceSettings, http: httpx.AsyncClient) -> None:
        self._mode = settings.auth_mode
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer
        self._secret = settings.jwt_secret
        self._keys = IssuerKeys(settings.jwt_jwks_url, http) if settings.jwt_jwks_url else None
        self._verified: dict[bytes, _Verified] = {}

    async def caller(self, request: Request) -> Caller:
        """The caller. Raises :class:`NotAuthenticated` without valid credentials."""
        if self._mode == "dev":
            headers = request.headers
            scopes = parse_scopes(headers.get("x-scope", ""))
            caller = Caller(headers.get("x-user-id", "").strip(), scopes=scopes)
            check_user_id(caller.user_id)
            return caller
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("Not authenticated")
        digest = sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and known.holds(self._keys):
            return known.caller
        caller = await self._verify(token)
        check_user_id(caller.user_id)
        while len(self._verified) >= REMEMBERED_TOKENS:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = _Verified(caller, self._keys.fetched() if self._keys else 0)
        return caller

    async def _verify(self, token: str) -> Caller:
        try:
            if self._keys is not None:
                # The whole key, not just its number: a token may only use the algorithm that the key is for.
                key: Any = await self._keys.key_of(token)
                algorithms = _ASYMMETRIC
            else:
                assert self._secret is not None
                key, algorithms = self._secret.get_secret_value(), ["HS256"]
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["sub", "exp"], "verify_aud": self._audience is not None},
            )
        except jwt.PyJWTError as error:
            log.info("token refused", error=str(error))
            raise NotAuthenticated("Not authenticated") from error
        expires_at = float(min(int(claims["exp"]), _LATEST)) + LEEWAY_SECONDS
        return Caller(str(claims["sub"]), expires_at, scopes_of(claims))


def check_user_id(user_id: str) -> None:
    """Raise :class:`NotAuthenticated` for a blank user id, and :class:`Invalid` for one that can't be
    stored."""
    if not user_id.strip():
        raise NotAuthenticated("Not authenticated")
    try:
        check_text(user_id)
    except ValueError as error:
        raise Invalid(f"A user id {error}") from error
    if len(user_id) > MAX_USER_ID:
        raise Invalid(f"A user id has at most {MAX_USER_ID} characters")


async def require_caller(request: Request) -> Caller:
    """FastAPI dependency: the authenticated caller, or a 401. Checked once for each request."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        authenticator: Authenticator = request.app.state.authenticator
        caller = request.state.caller = await authenticator.caller(request)
    return caller


CallerParam = Annotated[Caller, Depends(require_caller)]
"""The dependency of routes for authenticated callers only."""


def check_operator(caller: Caller) -> None:
    """Raise :class:`Forbidden` for a caller without the scope ``operator``."""
    if OPERATOR not in caller.scopes:
        raise Forbidden(f"This needs a token with the scope `{OPERATOR}`", code="operator_only")


async def require_operator(caller: CallerParam) -> Caller:
    """FastAPI dependency: a caller with the scope ``operator``, or a 403."""
    check_operator(caller)
    return caller


OperatorParam = Annotated[Caller, Depends(require_operator)]
"""The dependency of routes for operators only."""
