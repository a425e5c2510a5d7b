"""A person signs in to the page ``/login``, and is known afterwards; nobody else signs them in or out."""

import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from hashlib import sha256
from typing import Any, TypeAlias

import httpx
import jwt
import pytest
from fastapi import FastAPI

from chat.app import build
from chat.settings import ChatSettings
from servicekit.auth import Authenticator
from servicekit.outgoing_http import open_http
from tests.support.takaro import Takaro, takaro_api

SECRET = "a secret of more than thirty-two bytes"
OURS = "http://agents.example.org"
AT_TAKARO = "https://dashboard.example.org/login"
Browser: TypeAlias = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@cache
def chat_of(auth_mode: str) -> FastAPI:
    """Built once: that takes most of a second."""
    given: dict[str, Any] = {"jwt_secret": SECRET, "takaro_api_url": "https://api.example.org"}
    return build(ChatSettings(auth_mode=auth_mode, takaro_login_url=AT_TAKARO, **given))


def token(**claims: Any) -> str:
    return jwt.encode({"sub": "u-1", "exp": int(time.time()) + 600, **claims}, SECRET)


@pytest.fixture
async def takaro() -> AsyncIterator[Takaro]:
    async with takaro_api() as api:
        yield api


@pytest.fixture
def browser(takaro: Takaro) -> Browser:
    """A client with a cookie jar, of a chat without its servers: signing in needs none."""

    @asynccontextmanager
    async def opened(auth_mode: str, origin: str = OURS, **more: Any) -> AsyncIterator[httpx.AsyncClient]:
        given = {"auth_mode": auth_mode, "jwt_secret": SECRET, "takaro_api_url": takaro.url, **more}
        app = chat_of(auth_mode)
        async with open_http() as http:
            app.state.authenticator = Authenticator(ChatSettings(**given), http)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
                yield client

    return opened


async def send(
    client: httpx.AsyncClient, path: str = "/login", origin: str = OURS, **form: str
) -> httpx.Response:
    return await client.post(path, data=form, headers={"Origin": origin})


async def me(client: httpx.AsyncClient) -> Any:
    answer = await client.get("/auth/me")
    return answer.json().get("data", answer.status_code)


async def test_a_token_becomes_a_cookie_until_the_person_signs_out(browser: Browser) -> None:
    async with browser("jwt") as client:
        assert await me(client) == 401
        page = await client.get("/login?next=/agents")
        assert 'type="password"' in page.text
        good = token(email="ann@example.org", name="Ann <3")
        answer = await send(client, "/login?next=/agents", secret=f" Bearer {good}\n")
        assert (answer.status_code, answer.headers["location"]) == (303, "/agents")
        assert await me(client) == {"id": "u-1", "email": "ann@example.org", "name": "Ann <3"}
        assert good not in (await client.get("/login")).text
        signed_in = (await client.get("/login?next=/agents")).text
        assert "Ann &lt;3" in signed_in
        assert 'href="/agents"' in signed_in
        out = await send(client, signOut="1")
        assert out.status_code == 303
        assert str(out.next_request.url if out.next_request else "") in (f"{OURS}/login", f"{OURS}/login?")
        assert await me(client) == 401


async def test_who_is_calling_by_each_way(browser: Browser, takaro: Takaro) -> None:
    async with browser("jwt,takaro") as client:
        bearer = {"Authorization": f"Bearer {token(preferred_username='ann')}"}
        answer = await client.get("/auth/me", headers=bearer)
        assert answer.json() == {"data": {"id": "u-1", "email": None, "name": "ann"}}
        odd = {"Authorization": f"Bearer {token(name=17, email=['a'])}"}
        answer = await client.get("/auth/me", headers=odd)
        assert answer.json() == {"data": {"id": "u-1", "email": None, "name": "u-1"}}
        takaro.sign_in("takaro-token=1", "ben")
        client.cookies.set("takaro-token", "1")
        assert await me(client) == {"id": "ben", "email": "ben@example.org", "name": "Ben"}
        assert "Sign out" not in (await client.get("/login")).text, "that is done at Takaro"
        assert (await send(client, secret=token())).status_code == 303
        assert (await me(client))["id"] == "u-1"
        assert takaro.calls[-1].headers["cookie"] == "takaro-token=1"
    async with browser("dev") as client:
        answer = await client.get("/auth/me", headers={"X-User-Id": "ann"})
        assert answer.json() == {"data": {"id": "ann", "email": None, "name": "ann"}}


async def test_our_own_cookie_is_never_sent_to_takaro(browser: Browser, takaro: Takaro) -> None:
    takaro.sign_in("takaro-token=1", "ben")
    async with browser("jwt,takaro") as client:
        cookies = {"Cookie": f"takaro_login={token(exp=1)}; takaro-token=1"}
        answer = await client.get("/auth/me", headers=cookies)
        assert answer.json()["data"]["id"] == "ben", "a login that has expired leaves Takaro's session"
    async with browser("takaro") as client:
        answer = await client.get("/auth/me", headers={"Cookie": "takaro_login=secret"})
        assert answer.status_code == 401
    assert [call.headers["cookie"] for call in takaro.calls] == ["takaro-token=1"]


async def test_in_development_a_name_is_enough(browser: Browser) -> None:
    async with browser("dev") as client:
        assert 'autocomplete="username"' in (await client.get("/login")).text
        assert (await send(client, secret="Zoë; Smith")).status_code == 303
        assert (await me(client))["id"] == "Zoë; Smith"
        for bad in ("", "  ", "x" * 256, "a\0b"):
            refused = await send(client, secret=bad)
            assert refused.status_code in (400, 401), bad
            assert 'role="alert"' in refused.text
    async with browser("jwt") as client:
        assert (await client.get("/auth/me", headers={"Cookie": "takaro_login=ann"})).status_code == 401


@pytest.mark.parametrize(
    ("secret", "status"),
    [
        ("", 401),
        ("nonsense", 401),
        ("<script>alert(1)</script>", 401),
        (token(exp=1), 401),
        (jwt.encode({"sub": "u", "exp": 9_999_999_999}, "another secret of more than 32 bytes"), 401),
        (token(sub="x" * 256), 400),
        (token(more="x" * 4_000), 413),
    ],
)
async def test_what_is_no_good_token_gives_no_cookie(browser: Browser, secret: str, status: int) -> None:
    async with browser("jwt") as client:
        refused = await send(client, "/login?next=/agents", secret=secret)
        assert (refused.status_code, 'role="alert"' in refused.text) == (status, True)
        assert "<script" not in refused.text
        assert "set-cookie" not in refused.headers


@pytest.mark.parametrize("headers", [{}, {"Origin": "null"}, {"Origin": "https://evil.example"}])
@pytest.mark.parametrize("form", [{"secret": token()}, {"signOut": "1"}])
async def test_another_site_signs_nobody_in_or_out(
    browser: Browser, headers: dict[str, str], form: dict[str, str]
) -> None:
    async with browser("jwt") as client:
        refused = await client.post("/login", data=form, headers=headers)
        assert (refused.status_code, refused.headers["X-Error-Code"]) == (403, "cross_site_request")
        assert "set-cookie" not in refused.headers


@pytest.mark.parametrize(
    "onward", ["//evil.example", "/%5Cevil.example", "https://evil.example", "/%0A/evil"]
)
async def test_it_leads_to_no_other_site(browser: Browser, onward: str) -> None:
    async with browser("jwt") as client:
        answer = await send(client, f"/login?next={onward}", secret=token())
        assert (answer.status_code, answer.headers["location"]) == (303, "?")
        assert "evil" not in (await client.get(f"/login?next={onward}")).text


@pytest.mark.parametrize("body", [b"secret=%FF", b"secret=\xff", b"&".join([b"a=1"] * 9), b"x" * 20_001])
async def test_a_form_that_no_page_sends_is_refused(browser: Browser, body: bytes) -> None:
    async with browser("jwt") as client:
        headers = {"Origin": OURS, "Content-Type": "application/x-www-form-urlencoded"}
        refused = await client.post("/login", content=body, headers=headers)
        assert refused.status_code in (400, 413)


async def test_over_https_the_cookie_is_this_hosts_alone(browser: Browser) -> None:
    secure = OURS.replace("http", "https")
    async with browser("jwt", secure) as client:
        given = (await send(client, origin=secure, secret=token())).headers["set-cookie"]
        assert given.startswith("__Host-takaro_login=")
        assert "Secure" in given.split("; ")
        assert (await me(client))["id"] == "u-1"


@pytest.mark.parametrize("mode", ["jwt", "dev", "takaro", "jwt,takaro"])
async def test_the_page_loads_nothing_and_runs_nothing(browser: Browser, mode: str) -> None:
    async with browser(mode) as client:
        page = await client.get("/login")
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        [style] = re.findall("<style>(.*)</style>", page.text, re.DOTALL)
        assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
        assert not re.search(r"<script|\bon\w+=|src=", page.text)
        assert page.headers["cache-control"] == "no-store"
        assert (AT_TAKARO in page.text) == ("takaro" in mode)
        assert ("<form" in page.text) == (mode != "takaro")


async def test_a_takaro_that_is_away_is_said_on_the_page(browser: Browser, takaro: Takaro) -> None:
    async with browser("takaro", takaro_api_url="http://127.0.0.1:9") as client:
        page = await client.get("/login", headers={"Cookie": "takaro-token=1"})
        assert page.status_code == 503
        assert 'role="alert"' in page.text
