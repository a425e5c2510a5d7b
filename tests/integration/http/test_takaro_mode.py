"""A service that takes Takaro's cookies beside bearer tokens, as a browser and a program call it."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio

from tests.support.github import Answer
from tests.support.plain_http import NO_TLS
from tests.support.services import Service, running
from tests.support.takaro import Takaro, takaro_api

SECRET = "a secret of more than thirty-two bytes"
COOKIE = "takaro-token=very-secret-4711"
APP = "https://app.example.org"


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def takaro() -> AsyncIterator[Takaro]:
    async with takaro_api() as api:
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def both_ways(
    package_database: str, redis_url: str, takaro: Takaro, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    async with running(
        "chat",
        database_url=package_database,
        redis_url=f"{redis_url}/7",
        folder=tmp_path_factory.mktemp("chat"),
        environment={
            "AUTH_MODE": "jwt,takaro",
            "JWT_SECRET": SECRET,
            "TAKARO_API_URL": takaro.url,
            "CORS_ORIGINS": APP,
            "LOG_LEVEL": "debug",
        },
    ) as service:
        yield service


@pytest.fixture
async def browser(both_ways: Service, takaro: Takaro) -> AsyncIterator[httpx.AsyncClient]:
    takaro.sign_in(COOKIE, "ann")
    takaro.lie = None
    headers = {"Cookie": COOKIE}
    async with httpx.AsyncClient(
        base_url=both_ways.url, headers=headers, trust_env=False, verify=NO_TLS, timeout=30
    ) as client:
        yield client


def bearer(user: str) -> dict[str, str]:
    token = jwt.encode({"sub": user, "exp": int(time.time()) + 60}, SECRET)
    return {"Authorization": f"Bearer {token}"}


async def new_conversation(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/api/conversations", json={"agentId": "module-writer"}, headers=named)


pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_browser_and_a_program_are_known_side_by_side(
    browser: httpx.AsyncClient, both_ways: Service
) -> None:
    made = await new_conversation(browser, Origin=both_ways.url)
    assert (made.status_code, made.json()["data"]["userId"]) == (200, "ann")
    made = await new_conversation(browser, **bearer("ben"))
    assert (made.status_code, made.json()["data"]["userId"]) == (200, "ben"), "a token needs no Origin"
    refused = await browser.get("/api/conversations", headers={"Authorization": "Bearer nonsense"})
    assert refused.status_code == 401, "a token that is refused isn't replaced by the cookie"
    proxied = await browser.get("/api/conversations", headers={"Authorization": "Basic YTpi"})
    assert proxied.status_code == 200
    nobody = await browser.get("/api/conversations", headers={"Cookie": ""})
    assert nobody.status_code == 401
    ended = await browser.get("/api/conversations", headers={"Cookie": "takaro-token=another"})
    assert ended.status_code == 401


async def test_a_page_elsewhere_changes_nothing(browser: httpx.AsyncClient, both_ways: Service) -> None:
    for headers in ({}, {"Origin": "null"}, {"Origin": "https://evil.example"}):
        refused = await new_conversation(browser, **headers)
        assert refused.status_code == 403
        assert refused.headers["X-Error-Code"] == "cross_site_request"
    proxied = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "agents.example.org"}
    assert (await new_conversation(browser, **proxied, Origin=both_ways.url)).status_code == 403
    assert (
        await new_conversation(browser, **proxied, Origin="https://agents.example.org")
    ).status_code == 200


async def test_a_listed_page_elsewhere_may_call_and_read(browser: httpx.AsyncClient) -> None:
    asked = {"Origin": APP, "Access-Control-Request-Method": "PATCH"}
    preflight = await browser.options("/api/conversations/1", headers=asked)
    assert preflight.headers["Access-Control-Allow-Origin"] == APP
    made = await new_conversation(browser, Origin=APP)
    assert made.status_code == 200
    assert made.headers["Access-Control-Allow-Origin"] == APP
    assert made.headers["Access-Control-Allow-Credentials"] == "true"
    other = await browser.get("/api/conversations", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


async def test_without_takaro_it_is_503_and_the_cookie_is_told_to_nobody(
    browser: httpx.AsyncClient, both_ways: Service, takaro: Takaro
) -> None:
    known: Any = await browser.get("/api/conversations")
    assert known.status_code == 200
    unknown = {"Cookie": f"{COOKIE}; another=1", "Origin": both_ways.url}
    for lie in (Answer(500, b"{}"), Answer(200, b"<html>"), Answer(302, b"", {"Location": "/login"})):
        takaro.lie = lie
        away = await browser.get("/api/conversations", headers=unknown)
        assert (away.status_code, away.json()) == (
            503,
            {"error": "Takaro can't be asked who is calling, try again"},
        )
        assert away.headers["Retry-After"]
        assert (await new_conversation(browser, **unknown)).status_code == 503
    assert (await browser.get("/api/conversations")).status_code == 200, "who is known stays so for a minute"
    log = both_ways.log_file.read_text()
    assert "Takaro can't say who is calling" in log
    assert "very-secret" not in log
