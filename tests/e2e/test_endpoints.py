"""What every service answers to its operators and to readers of its documentation."""

import re

import pytest

from tests.e2e.conftest import NAMES, System
from tests.support.services import ServiceName

CHECKS: dict[ServiceName, set[str]] = {
    "chat": {
        "database",
        "redis",
        "consumer chat.commands",
        "consumer chat.turns",
        "consumer knowledge.events",
        "relay chat.events",
    },
    "knowledge": {
        "database",
        "redis",
        "consumer knowledge.commands",
        "relay knowledge.events",
        "queue worker",
    },
    "cockpit": {
        "database",
        "redis",
        "consumer cockpit.commands",
        "consumer chat.events",
        "relay cockpit.events",
    },
}
ROUTES = {
    "chat": "/api/conversations/{conversationId}/messages",
    "knowledge": "/api/knowledge-bases/{kb_id}/search",
    "cockpit": "/api/cockpit/sessions/{session_id}/events",
}
EVENTS: dict[ServiceName, tuple[str, str]] = {
    "chat": ("chat.message.append.v1", "chat.message.appended.v1"),
    "knowledge": ("knowledge.sync.request.v1", "knowledge.sync.completed.v1"),
    "cockpit": ("cockpit.server.start.v1", "cockpit.game.event.v1"),
}


@pytest.mark.parametrize("name", NAMES)
async def test_health_needs_no_caller_and_says_ok(system: System, name: ServiceName) -> None:
    async with system[name].client() as client:
        answer = await client.get("/health", headers={"X-User-Id": ""})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("name", NAMES)
async def test_ready_names_what_was_checked(system: System, name: ServiceName) -> None:
    async with system[name].client() as client:
        answer = await client.get("/ready")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "ready"
    assert answer.json()["checks"].keys() >= CHECKS[name]


@pytest.mark.parametrize("name", NAMES)
async def test_no_shared_cache_keeps_what_a_caller_got(system: System, name: ServiceName) -> None:
    known = {
        "chat": "/api/conversations",
        "knowledge": "/api/knowledge-bases",
        "cockpit": "/api/cockpit/none",
    }
    async with system[name].client() as client:
        for path, headers in ((known[name], {}), (known[name], {"X-User-Id": ""}), ("/api/nothing", {})):
            answer = await client.get(path, headers=headers)
            assert answer.headers.get_list("Cache-Control") == ["private"], answer.text


@pytest.mark.parametrize("name", NAMES)
async def test_http_is_documented(system: System, name: ServiceName) -> None:
    async with system[name].client() as client:
        document = (await client.get("/openapi.json")).raise_for_status().json()
        page = (await client.get("/docs")).raise_for_status()
    assert document["openapi"].startswith("3.")
    assert document["info"]["title"] == f"Takaro {name}"
    assert ROUTES[name] in document["paths"]
    assert "text/html" in page.headers["content-type"]
    assert "openapi.json" in page.text


@pytest.mark.parametrize("name", NAMES)
async def test_events_are_documented(system: System, name: ServiceName) -> None:
    async with system[name].client() as client:
        answer = (await client.get("/asyncapi.json")).raise_for_status()
        page = (await client.get("/asyncapi")).raise_for_status()
    assert answer.json()["asyncapi"].startswith("3.")
    assert {f"{name}.commands", f"{name}.events"} <= _addresses(answer.json()["channels"])
    taken, told = EVENTS[name]
    assert taken in answer.text
    assert told in answer.text
    assert "text/html" in page.headers["content-type"]
    assert "asyncapi.json" in page.text


@pytest.mark.parametrize("page", ["docs", "asyncapi"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_page_loads_everything_from_its_service(system: System, name: ServiceName, page: str) -> None:
    """Without the internet, and below a path of a proxy: addresses are relative."""
    async with system[name].client() as client:
        shown = (await client.get(f"/{page}")).raise_for_status().text
        assert "http" not in shown.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
        loaded = re.findall(r"""(?:src|href)="([^"]+)\"""", shown)
        assert len(loaded) >= 3, "an icon, a script, a style"
        for address in loaded:
            if not address.startswith("data:"):
                assert not address.startswith("/")
                assert (await client.get(f"/{address}")).raise_for_status().content
        assert (await client.get(f"/{_DOCUMENTS[page]}")).raise_for_status().json()


KINDS = ("application/json", "application/x-ndjson", "text/plain", "text/event-stream")


@pytest.mark.parametrize("name", NAMES)
async def test_the_document_says_who_asks_and_how_each_answer_looks(
    system: System, name: ServiceName
) -> None:
    async with system[name].client() as client:
        document = (await client.get("/openapi.json")).json()
    schemes = document["components"]["securitySchemes"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "422" not in operation["responses"] or method == "post", "FastAPI's own is a 400 here"
            for status, answer in operation["responses"].items():
                if status == "304":
                    assert "content" not in answer
                    continue
                for kind, content in answer["content"].items():
                    assert content["schema"], (path, status)
                    assert kind in KINDS, (path, status)
            if "requestBody" in operation:
                assert {"400", "408", "413", "503"} <= operation["responses"].keys(), path
            if path.endswith("/events"):
                assert "429" in operation["responses"]
            assert "requestBody" in operation or not path.endswith("/github"), "it has a body"
            if path.startswith("/api/") and "webhooks" not in path:
                names = [scheme for [scheme] in operation["security"]]
                assert names == ["user", "login"], "each of them is enough"
                assert set(names) <= set(schemes)
                assert "401" in operation["responses"]
                assert "403" in operation["responses"] or method == "get"


_DOCUMENTS = {"docs": "openapi.json", "asyncapi": "asyncapi.json"}


def _addresses(channels: dict[str, dict[str, str]]) -> set[str]:
    return {channel.get("address", key) for key, channel in channels.items()}
