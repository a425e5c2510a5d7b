"""HEAD, slashes and refused bodies, alike in every service and on every kind of path."""

import pytest

from tests.e2e.conftest import NAMES, System
from tests.support.raw_http import connected, request
from tests.support.services import ServiceName

OPERATIONS = ["/health", "/ready", "/metrics", "/openapi.json", "/docs", "/asyncapi", "/asyncapi.json"]
LISTS: dict[ServiceName, str] = {
    "chat": "/api/conversations",
    "knowledge": "/api/knowledge-bases",
    "cockpit": "/api/cockpit/sessions/0190b5a0-0000-7000-8000-000000000001",
}
CHANGING = {"date", "content-length", "x-trace-id"}
"""Headers that differ between two answers of /metrics."""


@pytest.mark.parametrize("name", NAMES)
async def test_head_answers_like_get_without_a_body(system: System, name: ServiceName) -> None:
    async with system[name].client() as client:
        for path in (*OPERATIONS, LISTS[name], "/api/nothing"):
            got, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (got.status_code, b""), path
            kept = head.headers.keys() - CHANGING
            assert {n: head.headers[n] for n in kept} == {n: got.headers[n] for n in kept}, path
            assert ("content-length" in head.headers) == ("content-length" in got.headers), path


@pytest.mark.parametrize("name", NAMES)
async def test_a_connection_goes_on_after_head(system: System, name: ServiceName) -> None:
    """A body after it would be taken for the next answer."""
    async with connected(system[name]) as connection:
        await connection.send(request("HEAD /health") + request("GET /health", "Connection: close"))
        sent = await connection.rest()
    assert sent.count(b"HTTP/1.1 200 OK") == 2
    assert sent.count(b'{"status":"ok"}') == 1


async def test_head_of_an_event_stream_ends(system: System) -> None:
    async with system["chat"].client() as chat, system["cockpit"].client() as cockpit:
        created = await chat.post("/api/conversations", json={"agentId": "module-writer"})
        session = f"/api/cockpit/sessions/{created.json()['data']['id']}"
        opened = await cockpit.get(session)
        head = await cockpit.head(f"/api/cockpit/sessions/{opened.json()['data']['id']}/events")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("name", NAMES)
async def test_a_trailing_slash_changes_nothing(system: System, name: ServiceName) -> None:
    async with system[name].client() as client:
        for path in ("/health", "/ready", "/docs", LISTS[name], "/api/nothing"):
            plain = await client.get(path)
            for slashed in (f"{path}/", f"{path}//", f"{path}/?x=1"):
                answer = await client.get(slashed)
                assert (answer.status_code, "location" in answer.headers) == (plain.status_code, False), (
                    slashed
                )
                assert answer.json() == plain.json() if path != "/docs" else answer.text == plain.text


async def test_a_post_with_a_trailing_slash_keeps_its_body(system: System) -> None:
    async with system["chat"].client() as client:
        answer = await client.post("/api/conversations/", json={"agentId": "module-writer"})
    assert answer.status_code == 200
    assert answer.json()["data"]["agentId"] == "module-writer"


async def test_an_encoded_slash_belongs_to_a_name(system: System) -> None:
    async with system["chat"].client() as client:
        answer = await client.get("/api/conversations/by-agent%2F")
    assert answer.status_code != 200


@pytest.mark.parametrize("name", NAMES)
async def test_a_body_is_refused_before_it_is_sent(system: System, name: ServiceName) -> None:
    """The caller isn't known, or the body is announced as too large."""
    path = {**LISTS, "cockpit": f"{LISTS['cockpit']}/select-player"}[name]
    for user, status in ((None, 401), ("ann", 413)):
        async with connected(system[name]) as connection:
            head = ["Content-Type: application/json", "Content-Length: 9000000"]
            await connection.send(request(f"POST {path}", *head, user=user))
            assert (await connection.answer()).status == status
