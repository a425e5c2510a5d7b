"""What a token says of the person can always be stored, and is short."""

import time
from typing import Any, ClassVar

import httpx
import jwt
import pytest
from pydantic import SecretStr

from servicekit.auth.bearer_tokens import BearerTokens
from servicekit.settings import ServiceSettings

SECRET = "a secret of more than thirty-two bytes"


class Settings(ServiceSettings):
    service: ClassVar[str] = "chat"


@pytest.mark.parametrize(
    ("claims", "email", "name"),
    [
        ({"email": "a@example.org", "name": "Ann"}, "a@example.org", "Ann"),
        ({"email": "a" * 1_001, "name": "ä" * 5_000}, "a" * 1_000, "ä" * 1_000),
        ({"email": "a\0b", "name": "Ann"}, None, "Ann"),
        ({"email": "a@example.org", "name": "\ud800"}, "a@example.org", None),
        ({"email": 7, "preferred_username": "ann"}, None, "ann"),
    ],
    ids=["usual", "long", "U+0000", "a lone surrogate", "no text"],
)
async def test_email_and_name(claims: dict[str, Any], email: str | None, name: str | None) -> None:
    token = jwt.encode({"sub": "ann", "exp": int(time.time()) + 60, **claims}, SECRET)
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500))) as http:
        caller = await BearerTokens(Settings(jwt_secret=SecretStr(SECRET)), http).caller(token)
    assert (caller.email, caller.name) == (email, name)
