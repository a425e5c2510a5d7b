"""Custom agents keep their versions, and conversations go on with the one that they began with, over HTTP."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from tests.integration.chat.conftest import post, published
from tests.integration.chat.test_commands import rejection, send

AGENTS, CONVERSATIONS = "/api/custom-agents", "/api/conversations"
AGENT: dict[str, Any] = {"name": "Poet", "systemPrompt": "first", "tools": ["searchDocs"], "model": "grok"}


async def say(alice: httpx.AsyncClient, agent_id: str, prompt: str) -> int:
    """Change an agent's prompt; its version after that."""
    answer = await alice.put(f"{AGENTS}/{agent_id}", json={"systemPrompt": prompt})
    assert answer.status_code == 200, answer.text
    version: int = answer.json()["data"]["version"]
    return version


async def running(alice: httpx.AsyncClient, conversation: dict[str, Any]) -> tuple[str, int, int | None]:
    """The prompt and version that a conversation goes on with, and the agent's newest version."""
    answer = await alice.get(f"{CONVERSATIONS}/{conversation['id']}/agent")
    assert answer.status_code == 200, answer.text
    agent = answer.json()["data"]
    return agent["systemPrompt"], agent["version"], agent["newestVersion"]


async def test_each_change_makes_a_version_and_the_same_again_none(alice: httpx.AsyncClient) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    path = f"{AGENTS}/{agent['id']}"
    assert agent["version"] == 1
    assert await say(alice, agent["id"], "second") == 2
    assert await say(alice, agent["id"], "second") == 2
    third = (await alice.put(path, json={"temperature": 0.1})).json()["data"]
    assert third["version"] == 3
    listed = (await alice.get(f"{path}/versions")).json()["data"]
    assert [(each["version"], each["systemPrompt"], each["temperature"]) for each in listed] == [
        (3, "second", 0.1),
        (2, "second", 0.7),
        (1, "first", 0.7),
    ]
    assert {name: listed[2][name] for name in AGENT} == AGENT
    assert listed[0]["replacedAt"] is None
    assert listed[1]["replacedAt"] == listed[0]["createdAt"]
    assert listed[2]["createdAt"] == agent["createdAt"]
    assert [(await alice.get(f"{path}/versions/{n}")).json()["data"] for n in (3, 2, 1)] == listed


async def test_versions_are_listed_in_pages(alice: httpx.AsyncClient, mallory: httpx.AsyncClient) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    for number in range(2, 14):
        assert await say(alice, agent["id"], f"prompt {number}") == number
    path = f"{AGENTS}/{agent['id']}/versions"
    for order, expected in (("desc", list(range(13, 0, -1))), ("asc", list(range(1, 14)))):
        found: list[int] = []
        query: dict[str, Any] = {"order": order, "limit": 5}
        while True:
            page = (await alice.get(path, params=query)).json()
            found += [each["version"] for each in page["data"]]
            if (cursor := page["meta"]["nextCursor"]) is None:
                break
            query["cursor"] = cursor
        assert found == expected
        everything = (await alice.get(path, params={"order": order})).json()
        assert [each["version"] for each in everything["data"]] == expected
    assert (await alice.get(path, params={"cursor": cursor or "x"})).status_code == 400
    for part, status in (("", 403), ("/1", 403)):
        assert (await mallory.get(path + part)).status_code == status
    for part, status in (("/14", 404), ("/0", 400), ("/x", 400), (f"/{2**31}", 400)):
        assert (await alice.get(path + part)).status_code == status
    for part in ("", "/1"):
        missing = await alice.get(f"{AGENTS}/{uuid4()}/versions{part}")
        assert (missing.status_code, missing.json()) == (404, {"error": "Custom agent not found"})


async def test_a_conversation_goes_on_with_its_version_until_it_is_told_to_move(
    alice: httpx.AsyncClient, bus: Redis
) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    old = await post(alice, CONVERSATIONS, agentId=f"custom:{agent['id']}")
    await say(alice, agent["id"], "second")
    new = await post(alice, CONVERSATIONS, agentId=f"custom:{agent['id']}")
    assert (old["agentVersion"], new["agentVersion"]) == ("1", "2")
    assert await running(alice, old) == ("first", 1, 2)
    assert await running(alice, new) == ("second", 2, 2)
    found = (await alice.get(f"{CONVERSATIONS}/by-agent/custom:{agent['id']}@1")).json()["data"]
    assert [each["id"] for each in found] == [old["id"]]

    path = f"{CONVERSATIONS}/{old['id']}"
    for version in ("3", "0", "02", "newest", str(2**31)):
        refused = await alice.patch(path, json={"title": "lost", "agentVersion": version})
        assert refused.status_code == 400, version
        assert f"has no version {version}" in refused.json()["error"]
    assert (await alice.get(path)).json()["data"] == old, "nothing was half done"
    for body in ({"agentVersion": None}, {"agentVersion": 2}, {"agentVersion": ""}, {}):
        assert (await alice.patch(path, json=body)).status_code == 400

    for _ in range(2):
        moved = (await alice.patch(path, json={"title": "kept", "agentVersion": "2"})).json()["data"]
        assert (moved["title"], moved["agentVersion"]) == ("kept", "2")
    assert await running(alice, old) == ("second", 2, 2)
    told = await published(bus, old["id"], 4)
    assert [event["type"].removeprefix("chat.conversation.") for event in told] == [
        "created.v1",
        "titled.v1",
        "agent_version_changed.v1",
        "titled.v1",
    ]
    assert told[0]["data"]["agentVersion"] == "1"
    change = {"conversationId": old["id"], "agentId": f"custom:{agent['id']}", "agentVersion": "2"}
    assert told[2]["data"] == change


async def test_a_new_conversation_may_name_a_version(alice: httpx.AsyncClient) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    name = f"custom:{agent['id']}"
    await say(alice, agent["id"], "second")
    first = await post(alice, CONVERSATIONS, agentId=name, agentVersion="1")
    assert await running(alice, first) == ("first", 1, 2)
    same = await post(alice, CONVERSATIONS, agentId=f"{name}@1")
    assert (same["agentId"], same["agentVersion"]) == (name, "1")
    for body in ({"agentId": name, "agentVersion": "3"}, {"agentId": f"{name}@one"}, {"agentId": f"{name}@"}):
        assert (await alice.post(CONVERSATIONS, json=body)).status_code == 400


async def test_a_deleted_agent_stays_readable_in_its_conversations(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient
) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    old = await post(alice, CONVERSATIONS, agentId=f"custom:{agent['id']}")
    await say(alice, agent["id"], "second")
    new = await post(alice, CONVERSATIONS, agentId=f"custom:{agent['id']}")
    assert (await alice.delete(f"{AGENTS}/{agent['id']}")).status_code == 200
    assert await running(alice, old) == ("first", 1, None)
    assert await running(alice, new) == ("second", 2, None)
    versions = (await alice.get(f"{AGENTS}/{agent['id']}/versions")).json()["data"]
    assert [each["version"] for each in versions] == [2, 1]
    assert all(each["replacedAt"] for each in versions)
    assert (await mallory.get(f"{AGENTS}/{agent['id']}/versions/1")).status_code == 403
    assert (await mallory.get(f"{CONVERSATIONS}/{old['id']}/agent")).status_code == 403

    fork = await post(alice, f"{CONVERSATIONS}/{old['id']}/fork")
    assert (fork["agentVersion"], await running(alice, fork)) == ("1", ("first", 1, None))
    exported = (await alice.get(f"{CONVERSATIONS}/{old['id']}/export")).content
    headers = {"Content-Type": "application/x-ndjson"}
    imported = await alice.post("/api/imports?copy=true", content=exported, headers=headers)
    assert await running(alice, imported.json()["data"]) == ("first", 1, None)
    moved = await alice.patch(f"{CONVERSATIONS}/{old['id']}", json={"agentVersion": "2"})
    assert moved.status_code == 200
    assert await running(alice, old) == ("second", 2, None)


async def test_where_no_custom_agent_is_kept_the_answer_says_so(alice: httpx.AsyncClient) -> None:
    builtin = await post(alice, CONVERSATIONS, agentId="module-writer")
    path = f"{CONVERSATIONS}/{builtin['id']}"
    answer = await alice.get(f"{path}/agent")
    assert (answer.status_code, answer.json()) == (
        404,
        {"error": "The conversation's agent isn't a custom agent"},
    )
    moved = (await alice.patch(path, json={"agentVersion": "concise"})).json()["data"]
    assert moved["agentVersion"] == "concise"
    assert (await alice.get(f"{CONVERSATIONS}/{uuid4()}/agent")).status_code == 404


async def test_of_concurrent_changes_each_makes_a_version(alice: httpx.AsyncClient) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    prompts = [f"prompt {n}" for n in range(8)]
    versions = await asyncio.gather(*(say(alice, agent["id"], prompt) for prompt in prompts))
    assert sorted(versions) == list(range(2, 10))
    listed = (await alice.get(f"{AGENTS}/{agent['id']}/versions?order=asc")).json()["data"]
    said = dict(zip(versions, prompts, strict=True))
    assert {each["version"]: each["systemPrompt"] for each in listed} == {1: "first", **said}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"If-Match": '"1"'}, {}, 412),
        ({"If-Match": 'W/"2"'}, {}, 412),
        ({"If-None-Match": "*"}, {}, 412),
        ({}, {"expectedVersion": 1}, 409),
        ({"If-Match": '"2"'}, {"expectedVersion": 3}, 409),
        ({"If-Match": '"1", "2"'}, {"expectedVersion": 2}, 200),
        ({"If-Match": "*"}, {}, 200),
        ({"If-Match": "2"}, {}, 400),
        ({}, {"expectedVersion": -1}, 400),
        ({}, {"expectedVersion": "2"}, 400),
    ],
)
async def test_a_change_may_name_the_version_that_it_is_of(
    alice: httpx.AsyncClient, headers: dict[str, str], body: dict[str, Any], status: int
) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    path = f"{AGENTS}/{agent['id']}"
    await say(alice, agent["id"], "second")
    before = await alice.get(path)
    assert before.headers["ETag"] == '"2"'
    answer = await alice.put(path, json={"systemPrompt": "third", **body}, headers=headers)
    assert answer.status_code == status, answer.text
    if status in (409, 412):
        assert answer.json() == {"error": "The agent is at version 2", "data": before.json()["data"]}
        assert answer.headers["ETag"] == '"2"'
    after = await alice.get(path)
    assert after.headers["ETag"] == ('"3"' if status == 200 else '"2"')
    assert (after.json() == before.json()) is (status != 200)


async def test_of_concurrent_changes_of_one_version_one_succeeds(alice: httpx.AsyncClient) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    path = f"{AGENTS}/{agent['id']}"
    bodies = [{"systemPrompt": f"prompt {n}", "expectedVersion": 1} for n in range(6)]
    answers = await asyncio.gather(*(alice.put(path, json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert (await alice.get(path)).json()["data"]["version"] == 2


async def test_commands_mean_the_same(alice: httpx.AsyncClient, bus: Redis) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    await say(alice, agent["id"], "second")
    user, id, refused, unknown = alice.headers["X-User-Id"], str(uuid4()), str(uuid4()), str(uuid4())
    create, move = "chat.conversation.create.v1", "chat.conversation.agent_version.set.v1"
    named = {"agentId": f"custom:{agent['id']}", "userId": user}
    await send(bus, create, {**named, "id": id, "agentVersion": "1"})
    await send(bus, create, {**named, "agentVersion": "3"}, id=refused)
    await send(bus, move, {"conversationId": id, "agentVersion": "3"}, id=unknown)
    await send(bus, move, {"conversationId": id, "agentVersion": "2"})
    await send(bus, create, named, id=(newest := str(uuid4())))
    told = await published(bus, id, 2)
    assert [event["data"]["agentVersion"] for event in told] == ["1", "2"]
    [created] = await published(bus, newest, 1)
    assert created["data"]["agentVersion"] == "2"
    for command in (refused, unknown):
        assert (await rejection(bus, command))["code"] == "agent_version_not_found"
    assert (await alice.get(f"{CONVERSATIONS}/{id}")).json()["data"]["agentVersion"] == "2"


async def test_facts_about_an_agent_have_its_version(alice: httpx.AsyncClient, bus: Redis) -> None:
    agent = await post(alice, AGENTS, **AGENT)
    await say(alice, agent["id"], "second")
    await alice.delete(f"{AGENTS}/{agent['id']}")
    told = await published(bus, agent["id"], 3)
    assert [event["data"]["version"] for event in told] == [1, 2, 2]
