"""A caller's scopes: claims of a verified token in any issuer's form, or development's header."""

import time
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx
import jwt
import pytest
from fastapi import Request
from pydantic import SecretStr

from common.errors import Forbidden
from servicekit.auth import Authenticator, Caller, require_operator
from servicekit.settings import ServiceSettings
from tests.support.plain_http import NO_TLS

SECRET = "a secret of more than thirty-two bytes"


class Settings(ServiceSettings):
    service: ClassVar[str] = "chat"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=NO_TLS) as client:
        yield client


def request(**headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "headers": named})


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, set()),
        ({"scope": "operator"}, {"operator"}),
        ({"scope": "agent  operator"}, {"agent", "operator"}),
        ({"scp": "agent operator"}, {"agent", "operator"}),
        ({"scp": ["agent", "operator"]}, {"agent", "operator"}),
        ({"scope": ["operator"]}, {"operator"}),
        ({"scope": "agent", "scp": ["operator"]}, {"agent", "operator"}),
        ({"scope": "Operator operators"}, {"Operator", "operators"}),
        ({"scope": "", "scp": []}, set()),
        ({"scope": None, "scp": {"operator": True}}, set()),
        ({"scope": 1, "scp": [1, None, ["operator"]]}, set()),
        ({"scopes": "operator", "roles": ["operator"]}, set()),
    ],
)
async def test_the_scopes_of_a_token(
    claims: dict[str, Any], scopes: set[str], http: httpx.AsyncClient
) -> None:
    settings = Settings(auth_mode="jwt", jwt_secret=SecretStr(SECRET))
    token = jwt.encode({"sub": "ann", "exp": int(time.time()) + 60, **claims}, SECRET)
    caller = await Authenticator(settings, http).caller(
        request(authorization=f"Bearer {token}", x_scope="operator")
    )
    assert (caller.user_id, set(caller.scopes)) == ("ann", scopes), "development's header gives nothing here"


@pytest.mark.parametrize(
    ("header", "scopes"),
    [(None, set()), ("operator", {"operator"}), (" agent  operator ", {"agent", "operator"})],
)
async def test_the_scopes_of_a_caller_in_development(
    header: str | None, scopes: set[str], http: httpx.AsyncClient
) -> None:
    headers = {} if header is None else {"x_scope": header}
    caller = await Authenticator(Settings(auth_mode="dev"), http).caller(request(x_user_id="ann", **headers))
    assert caller.scopes == scopes


async def test_only_the_scope_itself_makes_an_operator() -> None:
    operator = Caller("ann", scopes=frozenset({"agent", "operator"}))
    assert await require_operator(operator) is operator
    for scopes in ((), ("agent",), ("Operator",), ("operators",)):
        with pytest.raises(Forbidden):
            await require_operator(Caller("ann", scopes=frozenset(scopes)))
