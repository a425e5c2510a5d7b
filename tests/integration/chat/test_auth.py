"""Who may call: tokens by a shared secret and by an issuer's keys, and development's limits."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from redis.asyncio import Redis

from tests.integration.cli.terminal import Terminal
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, claims, serve
from tests.support.plain_http import NO_TLS
from tests.support.services import Service, running
from tests.support.wait import eventually

SECRET = "a secret of more than thirty-two bytes"
CLAIMED = {"JWT_AUDIENCE": AUDIENCE, "JWT_ISSUER": ISSUER}


def forged(secret: bytes) -> str:
    """Signed by hand: no library makes a token whose secret is a public key."""
    parts = ({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, claims())
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")
    return b".".join((signed, signature)).decode()


async def status(service: Service, token: str | None, scheme: str = "Bearer") -> tuple[int, Any]:
    headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, verify=NO_TLS) as client:
        answer = await client.get("/api/conversations", headers=headers)
    return answer.status_code, answer.json()


async def accepts(service: Service, token: str) -> bool:
    return (await status(service, token))[0] == 200


@pytest.fixture
def takaro() -> Terminal:
    return Terminal({})


@pytest.fixture
async def by_secret(database: str, redis: Redis, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    environment = {"AUTH_MODE": "jwt", "JWT_SECRET": SECRET, **CLAIMED}
    async with running(
        "chat", database_url=database, redis_url=redis_url, folder=tmp_path, environment=environment
    ) as service:
        yield service


async def test_a_token_by_the_shared_secret(by_secret: Service) -> None:
    good = jwt.encode(claims(), SECRET)
    assert (await status(by_secret, good))[0] == 200
    assert (await status(by_secret, good, scheme="bearer"))[0] == 200
    assert (await status(by_secret, good, scheme="Basic"))[0] == 401
    refused = {
        "nothing": None,
        "no token": "x.y.z",
        "another secret": jwt.encode(claims(), SECRET + "!"),
        "unsigned": jwt.encode(claims(), "", algorithm="none"),
        "another algorithm": jwt.encode(claims(), SECRET * 2, algorithm="HS512"),
        "expired": jwt.encode(claims(exp=int(time.time()) - 31), SECRET),
        "without an end": jwt.encode(claims(exp=None), SECRET),
        "of nobody": jwt.encode(claims(sub=None), SECRET),
        "for somebody else": jwt.encode(claims(aud="billing"), SECRET),
        "for nobody": jwt.encode(claims(aud=None), SECRET),
        "of another issuer": jwt.encode(claims(iss="https://evil.example"), SECRET),
    }
    for what, token in refused.items():
        assert await status(by_secret, token) == (401, {"error": "Not authenticated"}), what
    for odd in ("x" * 256, "a\x00b", "\ud800"):
        assert (await status(by_secret, jwt.encode(claims(sub=odd), SECRET)))[0] == 400, odd
    for blank in ("", " ", "\t\n", "\u3000"):
        assert (await status(by_secret, jwt.encode(claims(sub=blank), SECRET)))[0] == 401, blank
    assert await accepts(by_secret, jwt.encode(claims(exp=10**400), SECRET))
    # Clocks differ.
    for changed in ({"exp": int(time.time()) - 5}, {"iat": time.time() + 5}, {"nbf": time.time() + 5}):
        assert await accepts(by_secret, jwt.encode(claims(**changed), SECRET)), changed
    # Credentials that development accepts are refused here; health needs none.
    async with by_secret.client("ann") as client:
        assert (await client.get("/api/conversations")).status_code == 401
        assert (await client.get("/health")).status_code == 200


async def test_takaro_token_makes_one_with_the_secret_of_the_env_file(
    by_secret: Service, takaro: Terminal, tmp_path: Path
) -> None:
    settings = {"JWT_SECRET": SECRET, **CLAIMED}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    made = await takaro.in_folder(tmp_path)("token", "ann", "--scope", "operator", "--scope", "agent")
    assert (await status(by_secret, made.out.strip()))[0] == 200
    claimed = jwt.decode(made.out.strip(), options={"verify_signature": False})
    assert claimed["scope"] == "operator agent"
    told = await takaro("token", "ann", expect=2)
    assert "set JWT_SECRET" in told.err


async def test_a_token_by_the_issuers_keys(
    database: str, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    issuer = Issuer()
    with serve(issuer):
        environment = {"AUTH_MODE": "jwt", "JWT_JWKS_URL": issuer.url, **CLAIMED}
        async with running(
            "chat", database_url=database, redis_url=redis_url, folder=tmp_path, environment=environment
        ) as service:
            issuer.away = True
            code, answer = await status(service, issuer.sign())
            assert (code, answer) == (503, {"error": "The issuer's keys can't be fetched"})
            issuer.away = False
            good = issuer.sign()
            # After a failure it pauses, for about a second.
            assert await eventually(lambda: accepts(service, good))
            assert (await status(service, issuer.sign("ec", "ES256")))[0] == 200
            asked = issuer.asked
            assert (await status(service, issuer.sign()))[0] == 200
            assert issuer.asked == asked, "keys are remembered"
            public = issuer.keys()
            refused = {
                "another key": Issuer().sign(),
                "an unknown key": issuer.sign("other"),
                "an algorithm that isn't the key's": issuer.sign("rsa", "ES256"),
                "and the other way": issuer.sign("ec", "RS256"),
                "the public key as a secret": forged(public),
                "expired": issuer.sign(exp=int(time.time()) - 31),
                "for somebody else": issuer.sign(aud="billing"),
            }
            for what, token in refused.items():
                assert await status(service, token) == (401, {"error": "Not authenticated"}), what


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"AUTH_MODE": "dev", "HOST": "0.0.0.0"}, "may only listen on loopback"),
        ({"AUTH_MODE": "jwt"}, "needs JWT_SECRET or JWT_JWKS_URL"),
        ({"AUTH_MODE": "off"}, "AUTH_MODE"),
        ({"AUTH_MODE": "dev,jwt", "JWT_SECRET": SECRET}, "AUTH_MODE"),
        ({"AUTH_MODE": "takaro"}, "AUTH_MODE=takaro needs TAKARO_API_URL"),
        ({"AUTH_MODE": "jwt,takaro", "JWT_SECRET": SECRET}, "AUTH_MODE=takaro needs TAKARO_API_URL"),
        ({"AUTH_MODE": "takaro", "TAKARO_API_URL": "api.takaro.io"}, "TAKARO_API_URL"),
    ],
)
async def test_a_mode_that_would_let_anybody_in_is_refused_at_the_start(
    environment: dict[str, str], told: str, database: str, redis_url: str, tmp_path: Path
) -> None:
    service = Service(
        "chat", database_url=database, redis_url=redis_url, folder=tmp_path, environment=environment
    )
    service.launch()
    assert await eventually(lambda: service.exit_code) == 2
    assert told in service.log_file.read_text()
