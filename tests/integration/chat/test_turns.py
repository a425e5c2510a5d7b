"""A turn's life over HTTP: taken by one runtime, renewed, ended; nobody else writes meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from common.postgres import Pool
from tests.integration.chat.conftest import post, published, user_of
from tests.integration.chat.turn_calls import (
    contents,
    runtime,
    say,
    start_conversation,
    take,
    with_token,
)
from tests.support.services import Service
from tests.support.wait import eventually


@pytest.fixture
async def worker(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A runtime of the tests' agent."""
    async with runtime(chat) as client:
        yield client


@pytest.fixture
async def conversation(alice: httpx.AsyncClient) -> str:
    """The path of a new conversation of alice's."""
    return await start_conversation(alice)


async def expire(pool: Pool, taken: dict[str, Any]) -> None:
    """Let a turn's time be over, as if its runtime had been frozen meanwhile."""
    await pool.execute(
        "UPDATE chat_turns SET expires_at = clock_timestamp() - interval '1 s' WHERE id = $1",
        taken["turnId"],
    )


async def test_a_turn_is_taken_worked_in_and_finished(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, bus: Redis
) -> None:
    await post(alice, f"{conversation}/messages", content="hi")
    taken = await take(worker, conversation)
    assert [message["content"] for message in taken["history"]] == ["hi"]
    assert (taken["throughSequence"], taken["historyCursor"], taken["state"]) == (1, None, {})
    assert taken["userId"] == user_of(alice)
    token = with_token(taken)
    (await say(worker, conversation, "a step", token)).raise_for_status()
    state = await worker.patch(f"{conversation}/state", json={"step": 1}, headers=token)
    assert state.json()["data"] == {"state": {"step": 1}, "version": 1}
    renewed = await worker.put(f"{conversation}/turns/{taken['turnId']}", json={}, headers=token)
    assert (renewed.json()["data"]["state"], renewed.json()["data"]["cancelled"]) == ("running", False)
    assert renewed.json()["data"]["expiresAt"] >= taken["expiresAt"]
    last = {"messages": [{"role": "assistant", "content": "done"}], "usage": {"tokens": 7}}
    path = f"{conversation}/turns/{taken['turnId']}/finish"
    finished = (await worker.post(path, json=last, headers=token)).raise_for_status().json()["data"]
    assert (finished["state"], finished["usage"]) == ("finished", {"tokens": 7})
    assert (await worker.post(path, json=last, headers=token)).json()["data"] == finished
    assert await contents(alice, conversation) == ["hi", "a step", "done"]
    assert (await alice.get(f"{conversation}/turns")).json()["data"] == [finished]
    facts = await published(bus, conversation.split("/")[-1], 7)
    assert [fact["type"] for fact in facts[2:]] == [
        "chat.turn.started.v1",
        "chat.message.appended.v1",
        "chat.conversation.state_changed.v1",
        "chat.message.appended.v1",
        "chat.turn.finished.v1",
    ]
    assert [fact["sequence"] for fact in facts] == [str(n) for n in range(1, 8)]
    assert taken["token"] not in str(facts)


async def test_only_the_turns_runtime_writes_but_users_may_speak(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str
) -> None:
    taken = await take(worker, conversation)
    for who in (alice, worker):
        for token in (None, {"X-Turn-Token": "forged"}):
            refused = await say(who, conversation, "meanwhile", token)
            if who is worker and token is None:
                assert refused.status_code == 403
                continue
            assert (refused.status_code, refused.headers["X-Error-Code"]) == (409, "turn_running")
    refused = await alice.patch(f"{conversation}/state", json={"a": 1})
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (409, "turn_running")
    assert (await alice.put(f"{conversation}/state", json={"state": {"a": 1}})).status_code == 409
    await post(alice, f"{conversation}/messages", content="I say")
    in_bulk = {"messages": [{"role": "user", "content": "and say"}]}
    (await alice.post(f"{conversation}/messages/bulk", json=in_bulk)).raise_for_status()
    mixed = {"messages": [*in_bulk["messages"], {"role": "tool", "content": "no"}]}
    assert (await alice.post(f"{conversation}/messages/bulk", json=mixed)).status_code == 409
    (await say(worker, conversation, "answer", with_token(taken))).raise_for_status()
    assert await contents(alice, conversation) == ["I say", "and say", "answer"]


async def test_of_two_runtimes_that_race_one_takes_the_turn(
    chat: Service, alice: httpx.AsyncClient, conversation: str
) -> None:
    async with runtime(chat) as one, runtime(chat) as two:
        answers = await asyncio.gather(
            *(client.post(f"{conversation}/turns", json={}) for client in (one, two) * 4)
        )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {a.headers["X-Error-Code"] for a in answers if a.status_code == 409} == {"turn_running"}
    assert len((await alice.get(f"{conversation}/turns")).json()["data"]) == 1


async def test_a_frozen_runtime_changes_nothing_once_its_time_is_over(
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    conversation: str,
    service_pool: Pool,
    bus: Redis,
) -> None:
    taken = await take(worker, conversation)
    await expire(service_pool, taken)
    token, turn = with_token(taken), f"{conversation}/turns/{taken['turnId']}"
    finish = {"messages": [{"role": "assistant", "content": "late"}]}
    for answer in (
        await say(worker, conversation, "late", token),
        await worker.patch(f"{conversation}/state", json={"late": 1}, headers=token),
        await worker.put(turn, json={}, headers=token),
        await worker.post(f"{turn}/finish", json=finish, headers=token),
        await worker.post(f"{turn}/fail", json={"error": "late"}, headers=token),
    ):
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (409, "turn_over"), answer.text
    following = await take(worker, conversation)
    assert following["number"] == taken["number"] + 1
    assert (await say(worker, conversation, "late", token)).headers["X-Error-Code"] == "turn_running"
    assert (await worker.post(f"{turn}/finish", json=finish, headers=token)).status_code == 409
    assert await contents(alice, conversation) == []
    assert (await alice.get(f"{conversation}/state")).json()["data"]["version"] == 0
    facts = await published(bus, conversation.split("/")[-1], 4)
    assert [fact["type"].split(".")[2] for fact in facts[1:]] == ["started", "interrupted", "started"]


async def test_a_turn_that_nobody_renews_is_interrupted(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    await expire(service_pool, taken)

    async def look() -> dict[str, Any] | None:
        turn = (await alice.get(f"{conversation}/turns/{taken['turnId']}")).json()["data"]
        return turn if turn["state"] == "interrupted" else None

    assert (await eventually(look))["endedAt"] is not None
    (await alice.patch(f"{conversation}/state", json={"free": True})).raise_for_status()


async def test_a_stopped_turn_is_over_and_its_runtime_is_told(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, mallory: httpx.AsyncClient, conversation: str
) -> None:
    taken = await take(worker, conversation)
    turn, token = f"{conversation}/turns/{taken['turnId']}", with_token(taken)
    assert (await mallory.post(f"{turn}/cancel")).status_code == 403
    stopped = (await alice.post(f"{turn}/cancel")).raise_for_status().json()["data"]
    assert stopped["state"] == "cancelled"
    assert (await alice.post(f"{turn}/cancel")).json()["data"] == stopped
    assert (await worker.put(turn, json={}, headers=token)).json()["data"]["cancelled"] is True
    assert (await say(worker, conversation, "more", token)).headers["X-Error-Code"] == "turn_over"
    assert (await worker.post(f"{turn}/finish", json={}, headers=token)).status_code == 409
    (await say(alice, conversation, "free")).raise_for_status()


async def test_a_turn_fails_for_a_reason_and_cannot_be_stopped_then(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str
) -> None:
    taken = await take(worker, conversation)
    turn, token = f"{conversation}/turns/{taken['turnId']}", with_token(taken)
    failed = await worker.post(f"{turn}/fail", json={"error": "no model"}, headers=token)
    assert failed.json()["data"]["error"] == "no model"
    assert (await alice.post(f"{turn}/cancel")).headers["X-Error-Code"] == "turn_over"
    assert (await worker.post(f"{conversation}/turns", json={"turnId": taken["turnId"]})).status_code == 409


async def test_a_turn_sent_for_again_with_its_key_has_another_token(
    worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    answers = [await worker.post(f"{conversation}/turns", json={}, headers=key) for _ in range(2)]
    first, second = (answer.json()["data"] for answer in answers)
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]
    assert first["turnId"] == second["turnId"]
    assert first["token"] != second["token"]
    assert (await say(worker, conversation, "lost", with_token(first))).status_code == 409
    (await say(worker, conversation, "kept", with_token(second))).raise_for_status()
    other = await worker.post(f"{conversation}/turns", json={"ttlSeconds": 9}, headers=key)
    assert (other.status_code, other.headers["X-Error-Code"]) == (422, "idempotency_key_reused")
    assert (
        await service_pool.fetchval("SELECT count(*) FROM idempotency_keys WHERE key = $1", *key.values())
        == 0
    )


async def test_turns_are_for_runtimes_of_the_agent(
    chat: Service, alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str
) -> None:
    refused = await alice.post(f"{conversation}/turns", json={})
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (403, "agent_only")
    async with runtime(chat, "player-moderator", "custom:*") as stranger:
        for answer in (
            await stranger.post(f"{conversation}/turns", json={}),
            await stranger.get(f"{conversation}/turns"),
            await stranger.get(f"{conversation}/messages"),
            await stranger.get(f"{conversation}/state"),
        ):
            assert answer.status_code == 403
    taken = await take(worker, conversation)
    for answer in (
        await worker.get(conversation),
        await worker.delete(conversation),
        await worker.get(f"{conversation}/export"),
        await worker.post(f"{conversation}/messages", json={"content": "as if I were alice"}),
        await worker.patch(conversation, json={"title": "mine"}),
        await worker.post(f"{conversation}/fork", json={}),
    ):
        assert answer.status_code == 403, answer.url
    assert (await worker.get(f"{conversation}/messages")).status_code == 200
    other = await take(worker, await start_conversation(alice))
    refused = await worker.put(f"{conversation}/turns/{taken['turnId']}", json={}, headers=with_token(other))
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (409, "turn_token_refused")
    path = f"{conversation}/turns/{other['turnId']}"
    assert (await worker.put(path, json={}, headers=with_token(other))).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"ttlSeconds": 0},
        {"ttlSeconds": 601},
        {"ttlSeconds": "9"},
        {"turnId": "x"},
        [],
    ],
)
async def test_what_cannot_be_taken_is_a_400(
    worker: httpx.AsyncClient, conversation: str, body: object
) -> None:
    assert (await worker.post(f"{conversation}/turns", json=body)).status_code == 400
    assert (await worker.get(f"{conversation}/turns")).json()["data"] == []


async def test_a_turn_that_nobody_knows_is_a_404(worker: httpx.AsyncClient, conversation: str) -> None:
    unknown = str(uuid4())
    assert (await worker.post(f"{conversation}/turns", json={"turnId": unknown})).status_code == 404
    assert (await worker.get(f"{conversation}/turns/{unknown}")).status_code == 404
    path = f"{conversation}/turns/{unknown}/finish"
    assert (await worker.post(path, json={})).status_code == 400
    assert (await worker.post(path, json={}, headers={"X-Turn-Token": "x"})).status_code == 404
    large = {"usage": {"note": "x" * 10_001}}
    taken = await take(worker, conversation)
    path = f"{conversation}/turns/{taken['turnId']}/finish"
    assert (await worker.post(path, json=large, headers=with_token(taken))).status_code == 400


async def test_history_is_the_newest_200_with_a_cursor_to_those_before(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str
) -> None:
    messages = [{"role": "user", "content": str(n)} for n in range(203)]
    (await alice.post(f"{conversation}/messages/bulk", json={"messages": messages})).raise_for_status()
    taken = await take(worker, conversation)
    assert [int(message["content"]) for message in taken["history"]] == list(range(3, 203))
    before = {"order": "desc", "limit": 10, "cursor": taken["historyCursor"]}
    page = (await worker.get(f"{conversation}/messages", params=before)).raise_for_status().json()["data"]
    assert [message["content"] for message in page] == ["2", "1", "0"]
