"""An issuer that is slow or down, receives invented key ids, or withdraws a key."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from common.errors import NotAuthenticated, TransientError
from servicekit import issuer_keys
from servicekit.issuer_keys import IssuerKeys
from tests.support.issuer import Issuer, serve
from tests.support.plain_http import NO_TLS


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def keys(issuer: Issuer) -> AsyncIterator[IssuerKeys]:
    with serve(issuer):
        async with httpx.AsyncClient(trust_env=False, verify=NO_TLS) as http:
            yield IssuerKeys(issuer.url, http)


async def test_a_known_key_waits_for_no_fetch_and_unknown_ones_share_one(
    issuer: Issuer, keys: IssuerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "COOLDOWN_SECONDS", 0.0)
    await keys.key_of(issuer.sign())
    monkeypatch.setattr(issuer_keys, "COOLDOWN_SECONDS", 60.0)
    issuer.seconds = 3.0
    unknown = [asyncio.create_task(keys.key_of(issuer.sign(f"invented-{n}"))) for n in range(20)]
    await asyncio.sleep(0)
    started = time.monotonic()
    for _ in range(20):
        assert (await keys.key_of(issuer.sign())).key_id == "rsa"
    assert time.monotonic() - started < issuer.seconds
    assert not any(task.done() for task in unknown)
    results = await asyncio.gather(*unknown, return_exceptions=True)
    assert {type(result) for result in results} == {NotAuthenticated}
    assert issuer.asked == 2
    with pytest.raises(NotAuthenticated):
        await keys.key_of(issuer.sign("invented-again"))
    assert issuer.asked == 2, "after a fetch the issuer is left alone for a while"


async def test_a_key_that_the_issuer_takes_back_is_forgotten_with_its_set(
    issuer: Issuer, keys: IssuerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "COOLDOWN_SECONDS", 0.0)
    token = issuer.sign()
    await keys.key_of(token)
    issuer.answer = json.dumps({"keys": issuer.key_list()[1:]}).encode()
    assert (await keys.key_of(token)).key_id == "rsa"
    monkeypatch.setattr(issuer_keys, "LIFETIME_SECONDS", 0.0)
    with pytest.raises(NotAuthenticated):
        await keys.key_of(token)


async def test_a_set_in_use_is_fetched_again_in_the_background(
    issuer: Issuer, keys: IssuerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "COOLDOWN_SECONDS", 0.0)
    await keys.key_of(issuer.sign())
    monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.0)
    issuer.answer = json.dumps({"keys": issuer.key_list()[1:]}).encode()
    async with asyncio.timeout(20):
        while True:  # the known key is available at once each time, until the new set arrives
            try:
                await keys.key_of(issuer.sign())
            except NotAuthenticated:
                break
            await asyncio.sleep(0.01)


async def test_an_issuer_that_is_away_is_asked_ever_more_rarely(
    issuer: Issuer, keys: IssuerKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_keys, "COOLDOWN_SECONDS", 1_000.0)
    issuer.away = True
    for _ in range(50):
        with pytest.raises(TransientError):
            await keys.key_of(issuer.sign())
    assert issuer.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": []}',
        b'{"keys": [1, {}, {"kty": "oct", "k": "c2VjcmV0"}]}',
        json.dumps({"keys": [{"kty": "RSA"}] * 101}).encode(),
        b" " * (issuer_keys.MAX_BYTES + 1),
    ],
    ids=[
        "nothing",
        "a page",
        "a list",
        "an object",
        "no keys",
        "no key to verify with",
        "too many",
        "too long",
    ],
)
async def test_what_is_not_a_key_set_is_an_issuer_that_is_away(
    issuer: Issuer, keys: IssuerKeys, answer: bytes
) -> None:
    issuer.answer = answer
    with pytest.raises(TransientError):
        await keys.key_of(issuer.sign())


@pytest.mark.parametrize(("named", "kid"), [(True, None), (False, "rsa"), (False, None)])
async def test_where_there_is_one_key_nobody_needs_to_name_it(
    issuer: Issuer, keys: IssuerKeys, named: bool, kid: str | None
) -> None:
    only = issuer.key_list()[0]
    if not named:
        del only["kid"]
    issuer.answer = json.dumps({"keys": [only]}).encode()
    assert (await keys.key_of(issuer.sign(kid))).algorithm_name == "RS256"


async def test_among_several_keys_a_token_must_name_its_own(issuer: Issuer, keys: IssuerKeys) -> None:
    with pytest.raises(NotAuthenticated):
        await keys.key_of(issuer.sign(None))
