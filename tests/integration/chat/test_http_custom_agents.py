"""Custom agents over HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from common.postgres import Pool
from tests.integration.chat.conftest import post, published, user_of

PATH = "/api/custom-agents"
FULL: dict[str, Any] = {
    "name": "Poet",
    "description": "Writes poems",
    "systemPrompt": "You write poems.",
    "tools": ["searchDocs"],
    "knowledgeBases": ["takaro-docs"],
    "model": "grok",
    "temperature": 1.25,
    "maxTokens": 100,
}
LEAST: dict[str, Any] = {"name": "Poet", "systemPrompt": "p", "tools": [], "model": "m"}


async def test_create_answers_201_with_everything_that_was_sent(alice: httpx.AsyncClient) -> None:
    answer = await alice.post(PATH, json=FULL)
    assert answer.status_code == 201
    agent = answer.json()["data"]
    assert {key: agent[key] for key in FULL} == FULL
    assert agent["userId"] == user_of(alice)
    assert isinstance(agent["temperature"], float)
    assert (await alice.get(f"{PATH}/{agent['id']}")).json() == {"data": agent}


async def test_defaults_are_the_columns(alice: httpx.AsyncClient) -> None:
    agent = await post(alice, PATH, **LEAST)
    assert agent["description"] is None
    assert (agent["knowledgeBases"], agent["temperature"], agent["maxTokens"]) == ([], 0.7, 8192)


async def test_the_list_is_the_callers(alice: httpx.AsyncClient, mallory: httpx.AsyncClient) -> None:
    ids = [(await post(alice, PATH, **{**LEAST, "name": name}))["id"] for name in ("a", "b", "c")]
    await post(mallory, PATH, **LEAST)
    assert [agent["id"] for agent in (await alice.get(PATH)).json()["data"]] == ids[::-1]


async def test_a_name_is_taken_once_a_user(alice: httpx.AsyncClient, mallory: httpx.AsyncClient) -> None:
    await post(alice, PATH, **LEAST)
    await post(mallory, PATH, **LEAST)
    again = await alice.post(PATH, json=LEAST)
    assert (again.status_code, again.json()) == (409, {"error": "An agent with this name already exists"})
    other = await post(alice, PATH, **{**LEAST, "name": "Other"})
    renamed = await alice.put(f"{PATH}/{other['id']}", json={"name": "Poet"})
    assert (renamed.status_code, renamed.json()) == (409, {"error": "An agent with this name already exists"})


async def test_of_concurrent_creates_with_one_name_one_succeeds(alice: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(alice.post(PATH, json=LEAST) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_put_takes_all_fields_or_some(alice: httpx.AsyncClient) -> None:
    agent = await post(alice, PATH, **FULL)
    path = f"{PATH}/{agent['id']}"
    some = await alice.put(path, json={"temperature": 0, "tools": [], "description": None})
    assert some.status_code == 200
    changed = {**FULL, "temperature": 0.0, "tools": [], "description": None}
    assert {key: some.json()["data"][key] for key in FULL} == changed
    full = await alice.put(path, json={**FULL, "name": "Renamed"})
    assert {key: full.json()["data"][key] for key in FULL} == {**FULL, "name": "Renamed"}
    assert full.json()["data"]["updatedAt"] > agent["updatedAt"]
    assert (await alice.get(path)).json() == full.json()


async def test_delete_keeps_its_conversations(alice: httpx.AsyncClient) -> None:
    agent = await post(alice, PATH, **LEAST)
    conversation = await post(alice, "/api/conversations", agentId=f"custom:{agent['id']}")
    answer = await alice.delete(f"{PATH}/{agent['id']}")
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert (await alice.get(f"{PATH}/{agent['id']}")).status_code == 404
    assert (await alice.get(f"/api/conversations/{conversation['id']}")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_not_there_not_yours_and_no_uuid(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, method: str
) -> None:
    agent = await post(alice, PATH, **LEAST)
    body = {"name": "stolen"} if method == "PUT" else None
    missing = await alice.request(method, f"{PATH}/{uuid4()}", json=body)
    assert (missing.status_code, missing.json()) == (404, {"error": "Custom agent not found"})
    foreign = await mallory.request(method, f"{PATH}/{agent['id']}", json=body)
    assert (foreign.status_code, foreign.json()) == (403, {"error": "Forbidden"})
    assert (await alice.request(method, f"{PATH}/nope", json=body)).status_code == 400
    assert (await alice.get(f"{PATH}/{agent['id']}")).json()["data"] == agent


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "n" * 101),
        ("name", None),
        ("description", 5),
        ("systemPrompt", ""),
        ("tools", "searchDocs"),
        ("tools", [5]),
        ("knowledgeBases", None),
        ("model", ""),
        ("model", "m" * 101),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "0.5"),
        ("temperature", True),
        ("maxTokens", 0),
        ("maxTokens", 1.5),
        ("maxTokens", 2**31),
        ("maxTokens", "100"),
    ],
)
async def test_what_is_out_of_bounds_is_a_400(alice: httpx.AsyncClient, field: str, value: object) -> None:
    refused = await alice.post(PATH, json={**FULL, field: value})
    assert refused.status_code == 400
    assert [name.split(".")[0] for name in refused.json()["details"]] == [field]
    agent = await post(alice, PATH, **FULL)
    assert (await alice.put(f"{PATH}/{agent['id']}", json={field: value})).status_code == 400


@pytest.mark.parametrize("field", ["tools", "knowledgeBases"])
async def test_a_long_list_of_nonsense_makes_no_long_answer(alice: httpx.AsyncClient, field: str) -> None:
    refused = await alice.post(PATH, json={**FULL, field: [5] * 500_000})
    assert refused.status_code == 400
    assert len(refused.content) < 1_000


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_a_temperature_must_be_a_number(alice: httpx.AsyncClient, number: str) -> None:
    body = f'{{"name": "n", "systemPrompt": "p", "tools": [], "model": "m", "temperature": {number}}}'
    answer = await alice.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


async def test_each_change_leaves_its_fact(alice: httpx.AsyncClient, bus: Redis, service_pool: Pool) -> None:
    agent = await post(alice, PATH, **FULL)
    await alice.put(f"{PATH}/{agent['id']}", json={"knowledgeBases": ["a", "b"]})
    await alice.delete(f"{PATH}/{agent['id']}")
    told = await published(bus, agent["id"], 3)
    assert [(event["sequence"], event["type"]) for event in told] == [
        ("1", "chat.agent.created.v1"),
        ("2", "chat.agent.updated.v1"),
        ("3", "chat.agent.deleted.v1"),
    ]
    assert told[1]["data"] == {
        "agentId": agent["id"],
        "userId": user_of(alice),
        "name": "Poet",
        "model": "grok",
        "tools": ["searchDocs"],
        "knowledgeBases": ["a", "b"],
        "version": 2,
    }
