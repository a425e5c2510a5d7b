"""Who is calling: a bearer token's ``sub``, or in development the header ``X-User-Id``."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import jwt
import structlog
from fastapi import Depends, Request

from common.errors import Invalid, NotAuthenticated, TransientError
from servicekit.settings import ServiceSettings

log = structlog.get_logger()

MAX_USER_ID = 255
"""``user_id`` is a ``varchar(255)`` in every table."""

_ASYMMETRIC = ["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA"]


@dataclass(slots=True, frozen=True)
class Caller:
    """An authenticated caller."""

    user_id: str


class Authenticator:
    """Checks the credentials of a request as ``AUTH_MODE`` says."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._mode = settings.auth_mode
        self._audience = settings.jwt_audience
        self._issuer = settings.jwt_issuer
        self._secret = settings.jwt_secret
        self._jwks = (
            jwt.PyJWKClient(settings.jwt_jwks_url, cache_keys=True, timeout=5)
            if settings.jwt_jwks_url
            else None
        )

    async def caller(self, request: Request) -> Caller:
        """The caller. Raises :class:`NotAuthenticated` without valid credentials."""
        if self._mode == "dev":
            user_id = request.headers.get("x-user-id", "").strip()
        else:
            user_id = await self._subject(request.headers.get("authorization", ""))
        if not user_id:
            raise NotAuthenticated("Not authenticated")
        if len(user_id) > MAX_USER_ID or "\x00" in user_id:
            raise Invalid(f"A user id has at most {MAX_USER_ID} characters")
        return Caller(user_id)

    async def _subject(self, header: str) -> str:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("Not authenticated")
        try:
            if self._jwks is not None:
                # The whole key, not its number alone: a token may only use the algorithm that the key is for.
                key: Any = await asyncio.to_thread(self._jwks.get_signing_key_from_jwt, token)
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
                options={"require": ["sub", "exp"], "verify_aud": self._audience is not None},
            )
        except jwt.PyJWKClientConnectionError as error:
            log.warning("JWKS unreachable", error=str(error))
            raise TransientError("The issuer's keys can't be fetched") from error
        except jwt.PyJWTError as error:
            log.info("token refused", error=str(error))
            raise NotAuthenticated("Not authenticated") from error
        return str(claims["sub"])


async def require_caller(request: Request) -> Caller:
    """FastAPI dependency: the authenticated caller, or a 401."""
    authenticator: Authenticator = request.app.state.authenticator
    return await authenticator.caller(request)


CallerParam = Annotated[Caller, Depends(require_caller)]
"""What a route asks for that only authenticated callers may use."""
