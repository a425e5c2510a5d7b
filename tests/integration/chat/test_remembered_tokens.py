"""A verified token is remembered until it expires or its issuer's keys are fetched again."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import jwt
import pytest

from chat.settings import ChatSettings
from common.errors import NotAuthenticated
from servicekit import issuer_keys
from servicekit.auth import bearer_tokens
from servicekit.auth.bearer_tokens import BearerTokens
from tests.support.issuer import Issuer, serve
from tests.support.plain_http import NO_TLS

SECRET = "a secret of more than thirty-two bytes"


def tokens(http: httpx.AsyncClient, **access: Any) -> BearerTokens:
    return BearerTokens(ChatSettings(database_url="postgresql://x@127.0.0.1/x", **access), http)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as client:
        yield client


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signatures were checked."""
    found: list[str] = []
    decode = jwt.decode

    def noted(token: str, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        found.append(token)
        return decode(token, *args, **kwargs)

    monkeypatch.setattr(jwt, "decode", noted)
    return found


async def test_a_token_is_verified_once_and_never_after_its_end(
    http: httpx.AsyncClient, verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tokens(http, jwt_secret=SECRET)
    end = int(time.time()) + 60
    token = jwt.encode({"sub": "ann", "exp": end, "scope": "operator"}, SECRET)
    first, second = [await asked.caller(token) for _ in range(2)]
    assert first == second
    assert (first.user_id, first.scopes) == ("ann", frozenset({"operator"}))
    assert verified == [token]
    other = jwt.encode({"sub": "ben", "exp": end}, SECRET)
    assert (await asked.caller(other)).user_id == "ben"
    monkeypatch.setattr(time, "time", lambda: end + 31.0)
    # PyJWT has another clock, so that the token is good for it; but it is asked again.
    await asked.caller(token)
    assert verified == [token, other, token]


async def test_a_refused_token_is_not_remembered(http: httpx.AsyncClient, verified: list[str]) -> None:
    asked = tokens(http, jwt_secret=SECRET)
    token = jwt.encode({"sub": "ann", "exp": int(time.time()) - 60}, SECRET)
    for _ in range(2):
        with pytest.raises(NotAuthenticated):
            await asked.caller(token)
    assert verified == [token, token]


async def test_a_withdrawn_key_ends_its_tokens(
    http: httpx.AsyncClient, verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "COOLDOWN_SECONDS", 0.0)
    issuer = Issuer()
    with serve(issuer):
        asked = tokens(http, jwt_jwks_url=issuer.url)
        token = issuer.sign()
        for _ in range(3):
            assert (await asked.caller(token)).user_id
        assert len(verified) == 1
        issuer.answer = json.dumps({"keys": issuer.key_list()[1:]}).encode()
        monkeypatch.setattr(issuer_keys, "LIFETIME_SECONDS", 0.0)
        with pytest.raises(NotAuthenticated):
            await asked.caller(token)


async def test_a_set_whose_tokens_are_all_remembered_is_still_fetched_again(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "COOLDOWN_SECONDS", 0.0)
    issuer = Issuer()
    with serve(issuer):
        asked = tokens(http, jwt_jwks_url=issuer.url)
        token = issuer.sign()
        await asked.caller(token)
        monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.0)
        await asked.caller(token)
        fetching = asked._keys._fetching if asked._keys else None
        assert fetching is not None
        await fetching
        assert issuer.asked == 2


async def test_the_remembered_are_bounded(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bearer_tokens, "REMEMBERED_TOKENS", 3)
    asked = tokens(http, jwt_secret=SECRET)
    for name in "abcdef":
        await asked.caller(jwt.encode({"sub": name, "exp": int(time.time()) + 60}, SECRET))
    assert [each.caller.user_id for each in asked._verified.values()] == ["d", "e", "f"]
