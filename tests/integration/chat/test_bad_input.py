"""What is sent is stored as it is, or refused with what is wrong about it: addresses, numbers and bodies."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.integration.chat.conftest import post, user_of
from tests.support.raw_http import connected, request
from tests.support.services import Service

LISTS = (
    "/api/conversations",
    "/api/conversations/by-agent/module-writer",
    "/api/conversations/{id}/messages",
    "/api/conversations/{id}/state/versions",
    "/api/custom-agents",
    "/api/messages/search?q=hi",
)
NUMBERS = ("0", "-1", "1e9", "\uff11", "1.0", "+1", "1_0", "%201", "0x1", "", "true", "null")


@pytest.fixture
async def id(alice: httpx.AsyncClient) -> str:
    return str((await post(alice, "/api/conversations", agentId="module-writer"))["id"])


async def refused(client: httpx.AsyncClient, path: str, name: str, fault: str = "") -> None:
    answer = await client.get(path)
    assert answer.status_code == 400, (path, answer.text)
    assert fault in answer.json()["details"][name][0], (path, answer.text)


@pytest.mark.parametrize("path", LISTS)
async def test_a_limit_is_a_number_in_digits_and_given_once(
    alice: httpx.AsyncClient, id: str, path: str
) -> None:
    asked = path.format(id=id) + ("&" if "?" in path else "?")
    for number in NUMBERS:
        await refused(alice, f"{asked}limit={number}", "limit")
    await refused(alice, f"{asked}limit=1&limit=2", "limit", "must be given once")
    await refused(alice, f"{asked}cursor=x", "cursor", "meta.nextCursor of this list")
    if "search" not in path:
        await refused(alice, f"{asked}order=asc&order=desc", "order", "must be given once")


async def test_a_cursor_is_of_one_list_user_and_order(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, id: str
) -> None:
    for client, conversation in ((alice, id), (mallory, None)):
        own = conversation or (await post(client, "/api/conversations", agentId="module-writer"))["id"]
        await post(client, "/api/conversations", agentId="module-writer")
        for _ in range(2):
            await post(client, f"/api/conversations/{own}/messages", content="hi")
    paths = [path.format(id=id) for path in LISTS[:3]]
    cursors = {path: (await alice.get(f"{path}?limit=1")).json()["meta"]["nextCursor"] for path in paths}
    assert all(cursors.values())
    for path in paths:
        for other in paths:
            answer = await alice.get(f"{path}?limit=1&cursor={cursors[other]}")
            assert answer.status_code == (200 if other == path else 400), (path, other)
        assert (await mallory.get(f"{path}?limit=1&cursor={cursors[path]}")).status_code in (400, 403)
        other_order = "desc" if "messages" in path else "asc"
        await refused(alice, f"{path}?limit=1&order={other_order}&cursor={cursors[path]}", "cursor")


@pytest.mark.parametrize(
    ("number", "status"),
    [("1", 404), ("01", 404), *((each, 400) for each in ("+1", "1.0", "%201", "1_0", "-1", "9" * 30))],
)
async def test_a_version_is_a_number_in_digits(
    alice: httpx.AsyncClient, id: str, number: str, status: int
) -> None:
    path = f"/api/conversations/{id}/state"
    assert (await alice.get(f"{path}/versions/{number}")).status_code == status
    answer = await alice.patch(f"{path}?expectedVersion={number}", json={"a": 1})
    assert answer.status_code == (409 if number in ("1", "01", "9" * 30) else 400), answer.text
    assert (await alice.get(path)).json()["data"]["version"] == 0


async def test_an_address_is_utf8_in_percent_encoding(chat: Service, alice: httpx.AsyncClient) -> None:
    """Characters that aren't would be replaced by others."""
    await refused(alice, "/api/conversations?title=%FF", "query", "percent-encoded")
    await refused(alice, "/api/messages/search?q=%ED%A0%80", "query", "percent-encoded")
    await refused(alice, "/api/conversations/by-agent/%FF", "path", "percent-encoded")
    assert (await alice.get("/api/conversations", params={"title": "ü%"})).status_code == 200
    async with connected(chat) as connection:
        await connection.send(request("GET /api/conversations?title=ü", user=user_of(alice)))
        assert (await connection.answer()).status == 400


BODIES: list[tuple[bytes, str, str]] = [
    (b'{"content": "\xff"}', "body", "must be UTF-8"),
    (b'{"content": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body", "is nested too deeply"),
    (b'{"content": ' + b"9" * 5_000 + b"}", "body", "has a number with too many digits"),
    (b'{"content": ', "body", "JSON decode error"),
    (b'["content"]', "body", "valid dictionary"),
    (b'{"content": "\\u0000"}', "body", "U+0000"),
    (b'{"content": "\\ud800"}', "content", "lone surrogate"),
    (b'{"content": "' + b"a" * 50_001 + b'"}', "content", "at most 50000 characters"),
    (b'{"content": ""}', "content", "at least 1 character"),
    (b'{"content": "a", "id": 5}', "id", "UUID"),
]


@pytest.mark.parametrize(("body", "name", "fault"), BODIES, ids=[fault for _, _, fault in BODIES])
@pytest.mark.parametrize("keyed", [False, True], ids=["without a key", "with a key"])
async def test_a_body_is_refused_with_what_is_wrong_about_it(
    alice: httpx.AsyncClient, id: str, body: bytes, name: str, fault: str, keyed: bool
) -> None:
    path = f"/api/conversations/{id}/messages"
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": "k"} if keyed else {})
    answer = await alice.post(path, content=body, headers=headers)
    assert answer.status_code == 400
    assert fault in answer.json()["details"][name][0]
    assert (await alice.get(path)).json() == {"data": []}


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "a/json, b/c"])
async def test_a_body_of_another_media_type_is_told_which_one_it_must_have(
    alice: httpx.AsyncClient, id: str, kind: str | None
) -> None:
    path = f"/api/conversations/{id}"
    headers = {} if kind is None else {"Content-Type": kind}
    fault = ["must be JSON, with the header Content-Type: application/json"]

    async def send(method: str, path: str) -> Any:
        return await alice.request(method, path, content=b'{"content": "a", "title": "b"}', headers=headers)

    answers = await asyncio.gather(
        send("POST", f"{path}/messages"), send("PATCH", path), send("PATCH", f"{path}/state")
    )
    assert [answer.json().get("details") for answer in answers] == [{"body": fault}] * 3
    assert (await alice.get(path)).json()["data"]["title"] is None
