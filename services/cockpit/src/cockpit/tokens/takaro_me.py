"""Asks Takaro's ``/me`` for the registration token of the caller's domain.

The cookie and the token are secrets: neither stands in a log, a span or an error. So no exception of the HTTP
client is logged or chained here.
"""

import asyncio

import httpx
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from servicekit.auth.takaro_me import NoAnswer, get_me

log = structlog.get_logger()

ANSWER_SECONDS = 5.0
MAX_TOKEN = 1_000


class _Model(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)


class _Domain(_Model):
    id: str
    token: SecretStr | None = Field(None, alias="serverRegistrationToken", max_length=MAX_TOKEN)


class _User(_Model):
    id: str


class _Me(_Model):
    user: _User
    domain: str | None = None
    domains: list[_Domain] = []


class _Answer(_Model):
    data: _Me


async def fetch_token(http: httpx.AsyncClient, api_url: str, cookie: bytes, user_id: str) -> str | None:
    """The registration token of the current domain of the user with this ``Cookie`` header; None if Takaro
    doesn't give one, knows the cookie as somebody else's, or can't be asked."""
    try:
        with suppress_instrumentation():
            async with asyncio.timeout(ANSWER_SECONDS):
                body = await get_me(http, f"{api_url}/me", cookie)
        if body is None:
            return None
        me = _Answer.model_validate_json(body).data
    except (NoAnswer, TimeoutError, ValidationError) as error:
        why = str(error) if isinstance(error, NoAnswer) else type(error).__name__
        log.warning("Takaro can't be asked for a registration token", error=why)
        return None
    if me.user.id != user_id:
        return None
    for domain in me.domains:
        if domain.id == me.domain and domain.token is not None:
            return domain.token.get_secret_value() or None
    return None
