"""Which origin is ours, and which requests with a cookie another site's page may not make."""

from typing import Any

import pytest
from fastapi import Request
from starlette.types import Receive, Scope, Send

from common.errors import Forbidden
from servicekit.middlewares.from_proxies import FromProxies
from servicekit.origins import check_origin, public_origin, read_origin

PROXY = "10.0.0.7"
REFUSED = "cross_site_request"


async def scope_of(
    headers: dict[str, str], *, peer: str | None = PROXY, method: str = "POST", trusted: str = "10.0.0.0/8"
) -> Scope:
    """The scope of a request to us, after the middleware that knows the proxies."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    client = None if peer is None else (peer, 4711)
    scope: dict[str, Any] = {"type": "http", "method": method, "scheme": "http", "headers": raw}
    await FromProxies(app, trusted=trusted)(scope | {"client": client}, None, None)  # type: ignore[arg-type]
    return seen[0]


FORWARDED = {
    "host": "chat:3101",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "agents.example.org",
    "x-forwarded-for": "203.0.113.9",
}


@pytest.mark.parametrize(
    ("headers", "peer", "origin"),
    [
        ({"host": "Agents.Example.org"}, PROXY, "http://agents.example.org"),
        ({"host": "localhost:3101"}, "127.0.0.1", "http://localhost:3101"),
        ({"host": "[::1]:3101"}, "::1", "http://[::1]:3101"),
        ({"host": "agents.example.org:80"}, "192.0.2.1", "http://agents.example.org"),
        (FORWARDED, PROXY, "https://agents.example.org"),
        (FORWARDED, "192.0.2.1", "http://chat:3101"),
        (FORWARDED, None, "http://chat:3101"),
        (FORWARDED | {"x-forwarded-host": "a.example:443, inner:80"}, PROXY, "https://a.example"),
        ({"host": "a.example", "x-forwarded-proto": "https"}, PROXY, "https://a.example"),
        ({}, PROXY, None),
        ({"host": "a b"}, PROXY, None),
        ({"host": "user@a.example"}, PROXY, None),
        ({"host": "a.example/path"}, PROXY, None),
        ({"host": "a.example:port"}, PROXY, None),
    ],
)
async def test_the_public_origin(headers: dict[str, str], peer: str | None, origin: str | None) -> None:
    assert public_origin(await scope_of(headers, peer=peer)) == origin


async def test_every_proxy_can_be_trusted() -> None:
    scope = await scope_of(FORWARDED, peer="192.0.2.1", trusted="*")
    assert public_origin(scope) == "https://agents.example.org"


async def fault(method: str = "POST", **headers: str) -> str | None:
    """The code of the refusal, or None."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(await scope_of({"host": "agents.example.org", **named}, method=method))
    try:
        check_origin(request, {"https://app.example.org"})
    except Forbidden as error:
        return error.code
    return None


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "https://agents.example.org",
        "http://agents.example.org:8080",
        "http://agents.example.org.evil.example",
        "http://evil.example/http://agents.example.org",
        "http://agents.example.org@evil.example",
        "http://agents.example.org/",
        "agents.example.org",
        "//agents.example.org",
        "http://xn--80ak6aa92e.com",
        "file://",
    ],
)
async def test_another_origin_changes_nothing(origin: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND"):
        assert await fault(method, origin=origin) == REFUSED
        assert await fault(method, origin=origin, referer="http://agents.example.org/") == REFUSED
    for method in ("GET", "HEAD", "OPTIONS"):
        assert await fault(method, origin=origin) is None


async def test_ours_and_listed_origins_do() -> None:
    assert await fault(origin="http://agents.example.org") is None
    assert await fault(origin="http://agents.example.org:80") is None
    assert await fault(origin="https://app.example.org") is None
    assert await fault() == REFUSED, "a request without one"
    scope = await scope_of({"host": "a.example"})
    scope["headers"] += [(b"origin", b"http://a.example"), (b"origin", b"http://evil.example")]
    with pytest.raises(Forbidden):
        check_origin(Request(scope), ())


@pytest.mark.parametrize(
    "text", ["", "null", "*", "https://", "ftp://a.example", "https://a.example/x", "https://é"]
)
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        read_origin(text)
