"""A state has a bound, and so has every fact and every list that would repeat it."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from chat.states.merge_patches import merge_patch
from common import codec
from common.postgres import Pool
from tests.integration.chat.conftest import post, published, user_of
from tests.integration.chat.test_commands import rejection, send

MAX = 1_000_000


@pytest.fixture
async def id(alice: httpx.AsyncClient) -> str:
    """A fresh conversation of alice's."""
    return str((await post(alice, "/api/conversations", agentId="module-writer"))["id"])


def state_path(id: str) -> str:
    return f"/api/conversations/{id}/state"


async def adopt(pool: Pool, id: str, state: dict[str, Any]) -> None:
    """Let the conversation have a state that the Node application wrote."""
    await pool.execute("UPDATE conversations SET state = $2 WHERE id = $1", UUID(id), state)


async def test_the_merged_state_is_bounded_over_http(alice: httpx.AsyncClient, id: str) -> None:
    kept = {"first": "x" * 600_000}
    assert (await alice.patch(state_path(id), json=kept)).status_code == 200
    refused = await alice.patch(state_path(id), json={"second": "x" * 600_000})
    assert refused.status_code == 413
    assert "STATE_MAX_BYTES allows 1000000" in refused.json()["error"]
    assert (await alice.get(state_path(id))).json()["data"] == {"state": kept, "version": 1}


@pytest.mark.parametrize(
    ("value", "status"), [("x" * (MAX - len('{"a":""}')), 200), ("x" * (MAX - len('{"a":""}') + 1), 413)]
)
async def test_the_bound_is_in_bytes_of_json(
    alice: httpx.AsyncClient, id: str, value: str, status: int
) -> None:
    assert (await alice.patch(state_path(id), json={"a": value})).status_code == status


async def test_numbers_count_with_the_digits_that_they_are_stored_with(
    alice: httpx.AsyncClient, id: str
) -> None:
    body = b'{"a":[' + b",".join([b"1e308"] * 50_000) + b"]}"
    assert len(body) < MAX
    refused = await alice.patch(
        state_path(id), content=body, headers={"Content-Type": "application/merge-patch+json"}
    )
    assert refused.status_code == 413


async def test_the_merged_state_is_bounded_on_the_stream(
    alice: httpx.AsyncClient, id: str, bus: Redis
) -> None:
    ids = [str(uuid4()), str(uuid4())]
    for command_id, key in zip(ids, ("first", "second"), strict=True):
        patch = {"conversationId": id, "patch": {key: "x" * 600_000}}
        await send(bus, "chat.conversation.state.patch.v1", patch, id=command_id)
    assert (await rejection(bus, ids[1]))["code"] == "state_too_large"
    assert list((await alice.get(state_path(id))).json()["data"]["state"]) == ["first"]


@pytest.mark.parametrize("field", ["state", "metadata"])
async def test_a_conversation_cannot_be_created_with_more(
    alice: httpx.AsyncClient, bus: Redis, field: str
) -> None:
    command_id, ok = str(uuid4()), str(uuid4())
    data = {"agentId": "module-writer", "userId": user_of(alice)}
    await send(bus, "chat.conversation.create.v1", {**data, field: {"a": "x" * MAX}}, id=command_id)
    await send(bus, "chat.conversation.create.v1", {**data, field: {"a": "x" * (MAX // 2)}}, id=ok)
    assert (await rejection(bus, command_id))["code"] == "state_too_large"
    await published(bus, ok, 1)
    assert (await alice.get(f"/api/conversations/{command_id}")).status_code == 404


async def test_an_adopted_state_over_the_bound_may_become_smaller(
    alice: httpx.AsyncClient, id: str, service_pool: Pool
) -> None:
    await adopt(service_pool, id, {"a": "x" * 2_000_000, "b": "y" * 2_000_000})
    assert (await alice.patch(state_path(id), json={"c": 1})).status_code == 413
    assert (await alice.patch(state_path(id), json={"a": "z" * 2_000_000})).status_code == 413
    smaller = await alice.patch(state_path(id), json={"a": None})
    assert (smaller.status_code, list(smaller.json()["data"]["state"])) == (200, ["b"])


async def test_a_change_of_a_large_state_is_told_by_its_patch_and_of_a_small_one_by_the_state(
    alice: httpx.AsyncClient, id: str, bus: Redis
) -> None:
    patches: list[dict[str, Any]] = [
        {"a": "x" * 60_000},
        {"b": {"deep": "y" * 10_000, "gone": 1}},
        {"b": {"gone": None}},
        {"a": None},
    ]
    for patch in patches:
        assert (await alice.patch(state_path(id), json=patch)).status_code == 200
    told = (await published(bus, id, 5))[1:]
    prefix = "chat.conversation.state_changed"
    assert [event["type"] for event in told] == [f"{prefix}.v{n}" for n in (1, 2, 2, 1)]
    assert told[2]["data"] == {"conversationId": id, "version": 3, "patch": {"b": {"gone": None}}}
    followed: Any = {}
    for event in told:
        data = event["data"]
        followed = data["state"] if "state" in data else merge_patch(followed, data["patch"])
    assert followed == (await alice.get(state_path(id))).json()["data"]["state"]


async def test_a_replacement_by_a_large_state_is_told_by_the_patch_if_there_is_one(
    alice: httpx.AsyncClient, id: str, bus: Redis
) -> None:
    large = {"a": "x" * 70_000, "b": {"c": 1, "gone": 2}}
    states: list[dict[str, Any]] = [large, {**large, "b": {"c": 2}}, {**large, "b": None}, {"b": 1}]
    for state in states:
        assert (await alice.put(state_path(id), json={"state": state})).status_code == 200
    told = (await published(bus, id, 5))[1:]
    prefix = "chat.conversation.state_changed"
    # No patch makes a member null.
    assert [event["type"] for event in told] == [f"{prefix}.v{n}" for n in (2, 2, 1, 1)]
    assert told[1]["data"]["patch"] == {"b": {"c": 2, "gone": None}}
    followed: Any = {}
    for event, state in zip(told, states, strict=True):
        data = event["data"]
        followed = data["state"] if "state" in data else merge_patch(followed, data["patch"])
        assert followed == state


async def test_a_whole_state_is_bounded(alice: httpx.AsyncClient, id: str, bus: Redis) -> None:
    too_large, command_id = {"a": "x" * MAX}, str(uuid4())
    refused = await alice.put(state_path(id), json={"state": too_large})
    assert (refused.status_code, "STATE_MAX_BYTES" in refused.json()["error"]) == (413, True)
    command = {"conversationId": id, "state": too_large}
    await send(bus, "chat.conversation.state.replace.v1", command, id=command_id)
    assert (await rejection(bus, command_id))["code"] == "state_too_large"
    assert (await alice.get(state_path(id))).json()["data"]["version"] == 0


async def test_small_changes_of_a_large_state_leave_little_in_the_stream(
    alice: httpx.AsyncClient, id: str, bus: Redis
) -> None:
    await alice.patch(state_path(id), json={"a": "x" * 900_000})
    for i in range(10):
        assert (await alice.patch(state_path(id), json={"i": i})).status_code == 200
    told = await published(bus, id, 12)
    assert sum(len(codec.dumps(event["data"])) for event in told[2:]) < 2_000


async def test_a_patch_of_nothing_but_nulls_makes_no_large_fact(alice: httpx.AsyncClient, id: str) -> None:
    await alice.patch(state_path(id), json={"a": "x" * 100_000})
    nulls = {f"no-such-key-{i}": None for i in range(60_000)}
    assert (await alice.patch(state_path(id), json={**nulls, "b": 1})).status_code == 413


async def test_lists_leave_out_large_states_and_say_so(alice: httpx.AsyncClient, service_pool: Pool) -> None:
    states: dict[str, dict[str, Any]] = {}
    for size in (0, 16_000, 17_000, 200_000):
        id = str((await post(alice, "/api/conversations", agentId="module-writer"))["id"])
        states[id] = {"a": "x" * size}
        await alice.patch(state_path(id), json=states[id])
    metadata_id = next(iter(states))
    await service_pool.execute(
        "UPDATE conversations SET metadata = $2 WHERE id = $1", UUID(metadata_id), {"m": "y" * 20_000}
    )
    for path in ("/api/conversations", "/api/conversations/by-agent/module-writer"):
        listed = {c["id"]: c for c in (await alice.get(path)).json()["data"]}
        assert {id: c.get("state") for id, c in listed.items()} == {
            id: state if len(state["a"]) <= 16_000 else None for id, state in states.items()
        }
        assert [id for id, c in listed.items() if "state" not in c] == [
            id for id, c in listed.items() if c.get("stateOmitted") is True
        ]
        assert sum("stateOmitted" in c for c in listed.values()) == 2
        assert [id for id, c in listed.items() if c.get("metadataOmitted")] == [metadata_id]
        assert "metadata" not in listed[metadata_id]
    for id, state in states.items():
        one = (await alice.get(f"/api/conversations/{id}")).json()["data"]
        assert one["state"] == state
        assert not {"stateOmitted", "metadataOmitted"} & set(one)
