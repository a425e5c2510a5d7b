"""State over HTTP: merge patches, versions, and writers at the same time."""

import asyncio
from typing import Any

import httpx
import pytest

from common.postgres import Pool
from tests.integration.chat.conftest import post


@pytest.fixture
async def path(alice: httpx.AsyncClient) -> str:
    """The state of a fresh conversation of alice's."""
    return (
        f"/api/conversations/{(await post(alice, '/api/conversations', agentId='module-writer'))['id']}/state"
    )


async def test_a_patch_merges_and_moves_the_version(alice: httpx.AsyncClient, path: str) -> None:
    fresh = await alice.get(path)
    assert (fresh.json(), fresh.headers["ETag"]) == ({"data": {"state": {}, "version": 0}}, '"0"')
    first = await alice.patch(path, json={"moduleId": "m", "nested": {"a": 1, "b": 2}})
    assert first.status_code == 200
    second = await alice.patch(path, json={"moduleId": None, "nested": {"b": 3}})
    assert second.json() == {"data": {"state": {"nested": {"a": 1, "b": 3}}, "version": 2}}
    assert second.headers["ETag"] == '"2"'
    assert (await alice.get(path)).json() == second.json()


async def test_merge_patch_has_its_own_content_type(alice: httpx.AsyncClient, path: str) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = await alice.patch(path, content=b'{"a": 1}', headers=headers)
    assert answer.json()["data"]["state"] == {"a": 1}
    other = await alice.patch(path, content=b'{"a": 2}', headers={"Content-Type": "text/plain"})
    assert other.status_code == 400


async def test_a_patch_that_changes_nothing_keeps_the_version(alice: httpx.AsyncClient, path: str) -> None:
    await alice.patch(path, json={"a": 1})
    assert (await alice.patch(path, json={"a": 1, "b": None})).json()["data"]["version"] == 1
    assert (await alice.patch(path, json={"a": True})).json()["data"] == {"state": {"a": True}, "version": 2}


@pytest.mark.parametrize("way", ["If-Match", "expectedVersion"])
async def test_an_awaited_version_that_has_passed_is_a_409(
    alice: httpx.AsyncClient, path: str, way: str
) -> None:
    def at(version: int) -> dict[str, Any]:
        return {"headers": {way: f'"{version}"'}} if way == "If-Match" else {"params": {way: str(version)}}

    assert (await alice.patch(path, json={"a": 1}, **at(0))).status_code == 200
    stale = await alice.patch(path, json={"a": 2}, **at(0))
    assert (stale.status_code, stale.json()) == (409, {"error": "The state is at version 1"})
    assert (await alice.patch(path, json={"a": 3}, **at(1))).json()["data"]["state"] == {"a": 3}


async def test_any_version_will_do_for_an_asterisk(alice: httpx.AsyncClient, path: str) -> None:
    assert (await alice.patch(path, json={"a": 1}, headers={"If-Match": "*"})).status_code == 200
    assert (await alice.patch(path, json={"a": 1}, headers={"If-Match": "old"})).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b"null",
        b'"text"',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": 123456789012345678901234567890}',
        b'{"a\\u0000": 1}',
        b'{"a": ["\\ud800"]}',
        b'{"a": ' + b"[" * 150 + b"]" * 150 + b"}",
    ],
)
async def test_what_no_state_can_hold_is_a_400(alice: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await alice.patch(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert (await alice.get(path)).json()["data"] == {"state": {}, "version": 0}


async def test_concurrent_patches_all_survive(alice: httpx.AsyncClient, path: str) -> None:
    """In the Node application one of two concurrent updates was lost."""
    await asyncio.gather(*(alice.patch(path, json={f"key{i}": i}) for i in range(20)))
    after = (await alice.get(path)).json()["data"]
    assert after == {"state": {f"key{i}": i for i in range(20)}, "version": 20}


async def test_of_two_writers_that_saw_the_same_version_one_is_told(
    alice: httpx.AsyncClient, path: str
) -> None:
    answers = await asyncio.gather(
        *(alice.patch(path, json={"winner": i}, headers={"If-Match": '"0"'}) for i in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


async def test_a_change_by_the_node_application_moves_the_version_too(
    alice: httpx.AsyncClient, path: str, service_pool: Pool
) -> None:
    id = path.split("/")[3]
    update = 'update "conversations" set "state" = $1, "updated_at" = CURRENT_TIMESTAMP where "id" = $2'
    await service_pool.execute(update, {"moduleId": "node"}, id)
    assert (await alice.get(path)).json()["data"] == {"state": {"moduleId": "node"}, "version": 1}
    stale = await alice.patch(path, json={"moduleId": "ours"}, headers={"If-Match": '"0"'})
    assert stale.status_code == 409


async def test_a_legacy_state_that_is_null_reads_as_empty(
    alice: httpx.AsyncClient, path: str, service_pool: Pool
) -> None:
    await service_pool.execute("UPDATE conversations SET state = NULL WHERE id = $1", path.split("/")[3])
    assert (await alice.get(path)).json()["data"]["state"] == {}
    assert (await alice.patch(path, json={"a": 1})).json()["data"]["state"] == {"a": 1}
