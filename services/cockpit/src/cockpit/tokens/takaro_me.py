"""Asks Takaro's ``/me`` for the registration token of the caller's domain.

The cookie and the token are secrets: neither stands in a log, a span or an error. So no exception of the HTTP
client is logged or chained here.
"""

import asyncio

import httpx
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

log = structlog.get_logger()

ANSWER_SECONDS = 5.0
MAX_BYTES = 1_000_000
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
    headers = {b"Cookie": cookie, b"Accept": b"application/json", b"Accept-Encoding": b"identity"}
    body = bytearray()
    try:
        with suppress_instrumentation():
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                http.stream("GET", f"{api_url}/me", headers=headers, follow_redirects=False) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    return None
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        return None
        me = _Answer.model_validate_json(bytes(body)).data
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValidationError) as error:
        log.warning("Takaro can't be asked for a registration token", error=type(error).__name__)
        return None
    if me.user.id != user_id:
        return None
    for domain in me.domains:
        if domain.id == me.domain and domain.token is not None:
            return domain.token.get_secret_value() or None
    return None
