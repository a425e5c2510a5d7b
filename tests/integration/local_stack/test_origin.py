"""One origin for the services: which path leads where, and what the proxy does to a request on its way."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.support.github import Answer
from tests.support.origin import Origin, running_origin
from tests.support.raw_http import RawAnswer, RawConnection
from tests.support.web import Request, WebServer, serve
from tests.unit.test_openapi import document_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVICES = ("chat", "knowledge", "cockpit")
OWN_PATHS = ("/health", "/ready", "/metrics")
"""Every service has these, so that the origin has them below its name."""

Servers = Mapping[str, WebServer]


async def _ok(_: Request) -> Answer:
    return Answer(200, b"{}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers() -> AsyncIterator[Servers]:
    """In place of each service and of the web client's server: something that notes what reaches it."""
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(serve(_ok)) for name in (*SERVICES, "web")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def origin(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Origin]:
    """With nothing but the services behind it."""
    urls = {name: servers[name].url for name in SERVICES}
    async with running_origin(tmp_path_factory.mktemp("origin"), urls) as running:
        yield running


async def reached(
    servers: Servers, origin: Origin, method: str, path: str, **headers: str
) -> tuple[int, dict[str, Request]]:
    """The status of the answer, and the request as each server got it that was reached."""
    for server in servers.values():
        server.requests.clear()
    async with origin.client() as client:
        answer = await client.request(method, path, headers=headers)
    return answer.status_code, {
        name: server.requests[0] for name, server in servers.items() if server.requests
    }


async def as_written(origin: Origin, path: str) -> RawAnswer:
    """The answer to a path that clients would tidy."""
    connection = await RawConnection.open(origin)
    try:
        await connection.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        return await connection.answer()
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_operation_of_a_service_reaches_it(
    servers: Servers, origin: Origin, service: str
) -> None:
    """A new route needs its path in deploy/proxy/Caddyfile."""
    elsewhere = []
    for path, operations in document_of(service)["paths"].items():
        if path in OWN_PATHS:
            continue
        target = re.sub(r"\{\w+\}", "a%2Fb", path)
        for method in operations:
            status, requests = await reached(servers, origin, method.upper(), target)
            if status != 200 or [*requests] != [service] or requests[service].target != target:
                elsewhere.append((method.upper(), path, status, [*requests]))
    assert not elsewhere


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_page_to_sign_in_is_chats(servers: Servers, origin: Origin, method: str) -> None:
    """No operation: it is for people."""
    status, requests = await reached(servers, origin, method, "/login")
    assert (status, [*requests]) == (200, ["chat"])


@pytest.mark.parametrize("path", ["/login/", "/api/agents/", "/api/usage/", "/api/imports/", "/auth/me/"])
async def test_a_slash_at_the_end_changes_nothing(servers: Servers, origin: Origin, path: str) -> None:
    assert [*(await reached(servers, origin, "GET", path))[1]] == ["chat"]


PAGES = {
    "docs": "/docs",
    "docs/": "/docs/",
    "docs/assets/swagger-ui.css": "/docs/assets/swagger-ui.css",
    "openapi.json": "/openapi.json",
    "asyncapi": "/asyncapi",
    "asyncapi/assets/index.js": "/asyncapi/assets/index.js",
    "asyncapi.json": "/asyncapi.json",
    "health": "/health",
    "ready": "/ready",
}


@pytest.mark.parametrize("service", SERVICES)
async def test_pages_and_checks_of_a_service_stand_below_its_name(
    servers: Servers, origin: Origin, service: str
) -> None:
    for page, path in PAGES.items():
        _, requests = await reached(servers, origin, "GET", f"/{service}/{page}")
        assert {name: request.target for name, request in requests.items()} == {service: path}


async def test_it_answers_its_own_health_and_shows_where_the_docs_are(
    servers: Servers, origin: Origin
) -> None:
    async with origin.client() as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
        page = await client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    links = re.findall(r'href="(/[^"]+)"', page.text)
    assert {f"/{service}/docs" for service in SERVICES} <= set(links)
    for link in links:
        assert (await reached(servers, origin, "GET", link))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/metrics", "/metrics/", "/METRICS", "/%6Detrics", "//metrics", "/health/../metrics"),
        *("/chat/metrics", "/chat/metrics/", "/knowledge/metrics", "/cockpit/metrics"),
        *(
            "/chat/docs/../metrics",
            "/chat/docs/assets/%2e%2e/%2e%2e/metrics",
            "/api/conversations/../../metrics",
        ),
        *("/chat", "/chat/api/conversations", "/api/nothing", "/nothing", "/auth/login"),
    ],
)
async def test_nothing_else_of_a_service_is_passed_on(servers: Servers, origin: Origin, path: str) -> None:
    """Above all not its metrics, however they are spelled."""
    for server in servers.values():
        server.requests.clear()
    answer = await as_written(origin, path)
    assert (answer.status, answer.json) == (404, {"error": "Not Found"})
    assert not any(server.requests for server in servers.values())


FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "example.org",
    "X-Real-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6",
}


async def test_what_a_client_claims_about_proxies_is_replaced(servers: Servers, origin: Origin) -> None:
    kept = {"Cookie": "session=1", "Last-Event-ID": "17", "X-User-Id": "ann", "Host": "agents.test:81"}
    _, requests = await reached(servers, origin, "GET", "/api/conversations", **FORGED, **kept)
    headers = requests["chat"].headers
    assert headers.items() >= {name.lower(): value for name, value in kept.items()}.items()
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == "agents.test:81"
    assert not {"forwarded", "x-real-ip"} & headers.keys()


async def test_what_a_trusted_proxy_says_is_passed_on(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> None:
    urls = {name: servers[name].url for name in SERVICES}
    folder = tmp_path_factory.mktemp("trusting")
    trusted = {"ORIGIN_TRUSTED_PROXIES": "10.0.0.0/8 127.0.0.1"}
    async with running_origin(folder, urls, **trusted) as origin:
        _, requests = await reached(servers, origin, "GET", "/api/cockpit/sessions/a", **FORGED)
    headers = requests["cockpit"].headers
    assert headers["x-forwarded-for"] == "6.6.6.6, 127.0.0.1"
    assert (headers["x-forwarded-proto"], headers["x-forwarded-host"]) == ("https", "example.org")
    assert not {"forwarded", "x-real-ip"} & headers.keys()


async def test_a_huge_head_is_refused(servers: Servers, origin: Origin) -> None:
    status, requests = await reached(servers, origin, "GET", "/api/conversations", cookie="x" * 60_000)
    assert (status, [*requests]) == (200, ["chat"]), "the services allow 64 KB"
    assert (await asyncio.to_thread(_status_of_a_head_of, 70_000, origin.port)) == b"HTTP/1.1 431"
    assert len(servers["chat"].requests) == 1


def _status_of_a_head_of(size: int, port: int) -> bytes:
    """Over a plain socket, which gives the answer away even if a reset came after it."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /api/conversations HTTP/1.1\r\nHost: a\r\nCookie: " + b"x" * size)
        return connection.recv(12, socket.MSG_WAITALL)
