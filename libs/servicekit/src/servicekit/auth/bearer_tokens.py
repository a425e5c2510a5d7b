"""Verifies bearer tokens (JWT) by a shared secret or by an issuer's keys."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import httpx
import jwt
import structlog

from common.errors import NotAuthenticated
from contracts.storable import check_text
from servicekit.auth.caller import Caller, check_user_id
from servicekit.issuer_keys import IssuerKeys
from servicekit.scopes import agents_of, scopes_of
from servicekit.settings import ServiceSettings

log = structlog.get_logger()

_ASYMMETRIC = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA"]

_LATEST = 253_402_300_799
"""The end of the year 9999. A later expiry counts as none."""

REMEMBERED_TOKENS = 10_000
"""Verified tokens of one process: about 5 MB. The oldest is forgotten first."""

MAX_CLAIM = 1_000
"""Longest email and name, in characters; a longer one is cut."""

LEEWAY_SECONDS = 30
"""The tolerated difference between an issuer's clock and ours, in seconds."""


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


class BearerTokens:
    """Knows the callers of tokens.

    A token is verified once, and then remembered by its SHA-256 until it expires or the issuer's keys are
    fetched again, so that a withdrawn key counts for no longer than without it.
    """

    def __init__(self, settings: ServiceSettings, http: httpx.AsyncClient) -> None:
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer
        self._secret = settings.jwt_secret
        self._keys = IssuerKeys(settings.jwt_jwks_url, http) if settings.jwt_jwks_url else None
        self._verified: dict[bytes, _Verified] = {}

    async def caller(self, token: str) -> Caller:
        """The token's caller. Raises :class:`NotAuthenticated` for a token that doesn't count."""
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
        return Caller(
            str(claims["sub"]),
            expires_at,
            scopes_of(claims),
            agents_of(claims),
            email=_text(claims, "email"),
            name=_text(claims, "name", "preferred_username"),
        )


def _text(claims: Mapping[str, Any], *names: str) -> str | None:
    """The first of these claims that is a text, cut at :data:`MAX_CLAIM`; None if it can't be stored.

    Names are OpenID Connect's (Core 1.0, 5.1).
    """
    found = (claims.get(name) for name in names)
    text = next((each for each in found if isinstance(each, str) and each.strip()), None)
    if text is None:
        return None
    try:
        return check_text(text[:MAX_CLAIM])
    except ValueError:
        return None
