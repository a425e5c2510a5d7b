"""State over HTTP: merge patches, replacements, versions, and writers at the same time."""

import asyncio
from typing import Any
from uuid import uuid4

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


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(("way", "status"), [("If-Match", 412), ("expectedVersion", 409)])
async def test_a_lost_race_is_answered_with_the_state_that_there_is(
    alice: httpx.AsyncClient, path: str, method: str, way: str, status: int
) -> None:
    async def write(state: dict[str, Any], version: int) -> httpx.Response:
        """Write if the state is at ``version``."""
        body = {"state": state} if method == "PUT" else state
        if way == "If-Match":
            return await alice.request(method, path, json=body, headers={way: f'"{version}"'})
        if method == "PUT":
            return await alice.put(path, json={**body, way: version})
        return await alice.patch(path, json=body, params={way: str(version)})

    assert (await write({"a": 1}, 0)).status_code == 200
    stale = await write({"a": 2}, 0)
    assert (stale.status_code, stale.headers["ETag"]) == (status, '"1"')
    assert stale.json() == {
        "error": "The state is at version 1",
        "data": {"state": {"a": 1}, "version": 1},
    }
    assert (await write({"a": 3}, 1)).json()["data"] == {"state": {"a": 3}, "version": 2}


async def test_if_match_takes_an_asterisk_and_lists_over_several_lines(
    alice: httpx.AsyncClient, path: str
) -> None:
    async def patch(*lines: str) -> int:
        """The status for an ``If-Match`` of these lines."""
        headers = [("If-Match", line) for line in lines]
        return (await alice.patch(path, json={"a": len(lines)}, headers=headers)).status_code

    assert [await patch("*"), await patch('"7"', '"1"'), await patch('"2"')] == [200, 200, 200]
    assert [await patch('W/"3"'), await patch('"x"'), await patch("old")] == [412, 412, 400]
    unknown = f"/api/conversations/{uuid4()}/state"
    assert (await alice.patch(unknown, json={}, headers={"If-Match": "*"})).status_code == 404


async def test_an_unchanged_state_is_not_sent_again(alice: httpx.AsyncClient, path: str) -> None:
    await alice.patch(path, json={"a": 1})
    for header in ('"1"', 'W/"1"', '"0", "1"', "*"):
        known = await alice.get(path, headers={"If-None-Match": header})
        assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", '"1"')
        assert (
            await alice.put(path, json={"state": {}}, headers={"If-None-Match": header})
        ).status_code == 412
    assert (await alice.get(path, headers={"If-None-Match": '"0"'})).json()["data"]["state"] == {"a": 1}
    assert (await alice.get(path, headers={"If-Match": '"0"'})).status_code == 412


async def test_a_replacement_leaves_nothing_of_the_state_before(alice: httpx.AsyncClient, path: str) -> None:
    await alice.patch(path, json={"gone": 1, "nested": {"gone": 1}})
    whole = {"nested": {"kept": None}, "list": [None, {"a": None}]}
    replaced = await alice.put(path, json={"state": whole})
    assert (replaced.status_code, replaced.headers["ETag"]) == (200, '"2"')
    assert replaced.json() == {"data": {"state": whole, "version": 2}}
    assert (await alice.get(path)).json() == replaced.json()


async def test_a_replacement_by_the_same_state_keeps_the_version(alice: httpx.AsyncClient, path: str) -> None:
    await alice.put(path, json={"state": {"first": {"a": 1, "bb": 2}, "z": 1}})
    same = await alice.put(path, json={"state": {"z": 1, "first": {"bb": 2, "a": 1}}})
    assert same.json()["data"]["version"] == 1
    assert (await alice.put(path, json={"state": {"z": True}})).json()["data"]["version"] == 2


@pytest.mark.parametrize(
    ("body", "params"),
    [
        ({}, {}),
        ({"moduleId": "m"}, {}),
        ({"state": None}, {}),
        ({"state": [1]}, {}),
        ({"state": {}, "expectedVersion": "1"}, {}),
        ({"state": {}, "expectedVersion": -1}, {}),
        ({"state": {}, "expectedVersion": True}, {}),
        ({"state": {}, "expectedVersion": 0}, {"expectedVersion": "1"}),
        ({"state": {}}, {"expectedVersion": "x"}),
    ],
)
async def test_a_replacement_that_is_none_is_a_400(
    alice: httpx.AsyncClient, path: str, body: dict[str, Any], params: dict[str, str]
) -> None:
    refused = await alice.put(path, json=body, params=params)
    assert (refused.status_code, "details" in refused.json()) == (400, True)
    assert (await alice.get(path)).json()["data"] == {"state": {}, "version": 0}


async def test_another_users_state_is_not_replaced(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, path: str
) -> None:
    stolen = await mallory.put(path, json={"state": {"a": 1}}, headers={"If-Match": '"7"'})
    assert (stolen.status_code, stolen.json()) == (403, {"error": "Forbidden"})
    assert (await alice.put(f"/api/conversations/{uuid4()}/state", json={"state": {}})).status_code == 404


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
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


async def test_a_change_by_the_node_application_moves_the_version_too(
    alice: httpx.AsyncClient, path: str, service_pool: Pool
) -> None:
    id = path.split("/")[3]
    update = 'update "conversations" set "state" = $1, "updated_at" = CURRENT_TIMESTAMP where "id" = $2'
    await service_pool.execute(update, {"moduleId": "node"}, id)
    assert (await alice.get(path)).json()["data"] == {"state": {"moduleId": "node"}, "version": 1}
    stale = await alice.patch(path, json={"moduleId": "ours"}, headers={"If-Match": '"0"'})
    assert stale.status_code == 412


async def test_a_legacy_state_that_is_null_reads_as_empty(
    alice: httpx.AsyncClient, path: str, service_pool: Pool
) -> None:
    await service_pool.execute("UPDATE conversations SET state = NULL WHERE id = $1", path.split("/")[3])
    assert (await alice.get(path)).json()["data"]["state"] == {}
    assert (await alice.patch(path, json={"a": 1})).json()["data"]["state"] == {"a": 1}
