"""What the rest of the origin leads to: a built web client, or the server that has it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from takaro_local import origin as stack_origin
from tests.integration.local_stack.test_origin import (
    FORGED,
    SERVICES,
    Servers,
    as_written,
    reached,
    servers,
)
from tests.support.origin import Origin, running_origin

pytestmark = pytest.mark.asyncio(loop_scope="module")
__all__ = ["servers"]

INDEX = "<!DOCTYPE html><title>The web client</title>"
FILES = {
    "index.html": INDEX,
    "favicon.ico": "icon",
    "assets/index-Cx1.js": "export {}",
    "assets/.source": "hidden",
    ".env": "SECRET=1",
    ".git/config": "hidden",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def files(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Origin]:
    """With a built web client, in a folder with a name that a configuration could misread."""
    folder = tmp_path_factory.mktemp("files")
    built = folder / 'the "built" {client}'
    for name, text in FILES.items():
        (built / name).parent.mkdir(parents=True, exist_ok=True)
        (built / name).write_text(text)
    (folder / "outside.txt").write_text("outside")
    urls = {name: servers[name].url for name in SERVICES}
    async with running_origin(folder, urls, WEB_CLIENT_DIR=str(built)) as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/index.html", "/chat/4f8e", "/agents/new", "/assets", "/chat"])
async def test_the_web_client_draws_every_path_of_its_own(files: Origin, path: str) -> None:
    async with files.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.text) == (200, INDEX)
    assert answer.headers["cache-control"] == "no-cache"


async def test_assets_are_kept_because_their_name_changes_with_them(files: Origin) -> None:
    async with files.client() as client:
        asset, icon = await client.get("/assets/index-Cx1.js"), await client.get("/favicon.ico")
    assert asset.text == "export {}"
    assert asset.headers["content-type"].startswith("text/javascript")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (icon.text, icon.headers["cache-control"]) == ("icon", "no-cache")


@pytest.mark.parametrize(
    "path",
    [
        *("/assets/index-old.js", "/assets/", "/assets/.source", "/.env", "/.git/config", "/%2eenv"),
        *("/api/nothing", "/metrics", "/chat/metrics"),
    ],
)
async def test_what_is_not_there_is_not_the_web_client(files: Origin, path: str) -> None:
    """Neither an asset of an earlier build, which would be kept as one, nor a hidden file."""
    answer = await as_written(files, path)
    assert (answer.status, answer.json) == (404, {"error": "Not Found"})
    assert "cache-control" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/../outside.txt", "/..%2foutside.txt", "/%2e%2e/outside.txt", "/assets/..%2f..%2foutside.txt"]
)
async def test_nothing_outside_the_folder_is_given_away(files: Origin, path: str) -> None:
    assert b"outside" not in (await as_written(files, path)).body


async def test_the_services_keep_their_paths_beside_the_web_client(servers: Servers, files: Origin) -> None:
    for path, service in (("/api/conversations", "chat"), ("/knowledge/docs", "knowledge")):
        status, requests = await reached(servers, files, "GET", path)
        assert (status, [*requests]) == (200, [service])
    async with files.client() as client:
        assert (await client.get("/health")).json() == {"status": "ok"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Origin]:
    """With a server that has the web client and still answers two paths itself."""
    urls = {name: servers[name].url for name in SERVICES}
    settings = {"WEB_UPSTREAM": servers["web"].url, "WEB_UPSTREAM_PATHS": "/auth/* /api/custom-agents*"}
    async with running_origin(tmp_path_factory.mktemp("upstream"), urls, **settings) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "server"),
    [
        ("/", "web"),
        ("/chat/4f8e", "web"),
        ("/api/nothing", "web"),
        ("/auth/me", "web"),
        ("/api/custom-agents", "web"),
        ("/api/custom-agents/4f8e", "web"),
        ("/api/conversations", "chat"),
        ("/api/knowledge-bases/a/search", "knowledge"),
        ("/api/cockpit/sessions/a", "cockpit"),
        ("/chat/docs", "chat"),
    ],
)
async def test_paths_are_cut_over_one_by_one(
    servers: Servers, upstream: Origin, path: str, server: str
) -> None:
    status, requests = await reached(servers, upstream, "GET", path)
    assert (status, [*requests]) == (200, [server])


async def test_the_other_server_sees_the_host_and_the_cookies(servers: Servers, upstream: Origin) -> None:
    kept = {"Host": "agents.test:81", "Cookie": "session=1"}
    _, requests = await reached(servers, upstream, "POST", "/auth/me", **kept, **FORGED)
    headers = requests["web"].headers
    assert (headers["host"], headers["cookie"]) == ("agents.test:81", "session=1")
    assert (headers["x-forwarded-for"], headers["x-forwarded-host"]) == ("127.0.0.1", "agents.test:81")


@pytest.mark.parametrize("path", ["/metrics", "/chat/metrics"])
async def test_metrics_of_the_other_server_are_not_there_either(
    servers: Servers, upstream: Origin, path: str
) -> None:
    assert await reached(servers, upstream, "GET", path) == (404, {})


async def test_both_at_once_are_refused_by_the_file_that_compose_reads(tmp_path: Path) -> None:
    """The local stack has said so before (tests/unit/local_stack/test_origin_settings.py)."""
    environment = {"CHAT_UPSTREAM": "a:1", "KNOWLEDGE_UPSTREAM": "b:1", "COCKPIT_UPSTREAM": "c:1"}
    run = await asyncio.create_subprocess_exec(
        *(stack_origin.binary(), "validate", "--adapter", "caddyfile", "--config", stack_origin.CADDYFILE),
        env=environment | {"WEB_KIND": "-upstream-files", "HOME": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await run.communicate()
    assert run.returncode == 1
    assert "WEB_CLIENT_DIR and WEB_UPSTREAM are both set: set one of them" in said.decode()
