"""What people do while a turn runs: they speak, interrupt, edit, delete, and answer what it asks."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from redis.asyncio import Redis

from common.postgres import Pool
from tests.integration.chat.conftest import post, published
from tests.integration.chat.turn_calls import contents, runtime, say, start_conversation, take, with_token
from tests.support.services import Service


@pytest.fixture
async def worker(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A runtime of the tests' agent."""
    async with runtime(chat) as client:
        yield client


@pytest.fixture
async def conversation(alice: httpx.AsyncClient) -> str:
    """The path of a new conversation of alice's."""
    return await start_conversation(alice)


async def test_a_users_message_waits_interrupts_or_is_refused_while_a_turn_runs(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str
) -> None:
    taken = await take(worker, conversation)
    messages, turn = f"{conversation}/messages", f"{conversation}/turns/{taken['turnId']}"
    refused = await alice.post(messages, json={"content": "no", "onBusy": "reject"})
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (409, "turn_running")
    await post(alice, messages, content="waits", id=(waiting := str(uuid4())))
    again = {"content": "waits", "id": waiting}
    for on_busy in ("reject", "interrupt"):  # it is stored already
        await post(alice, messages, **again, onBusy=on_busy)
    assert (await alice.get(turn)).json()["data"]["state"] == "running"
    await post(alice, messages, content="stop", onBusy="interrupt")
    assert (await alice.get(turn)).json()["data"]["state"] == "cancelled"
    assert (await say(worker, conversation, "late", with_token(taken))).status_code == 409
    await post(alice, messages, content="free", onBusy="reject")
    assert await contents(alice, conversation) == ["waits", "stop", "free"]
    assert (await alice.post(messages, json={"content": "x", "onBusy": "shout"})).status_code == 400


async def test_an_edit_of_what_is_being_answered_stops_the_turn(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str
) -> None:
    message = await post(alice, f"{conversation}/messages", content="hi")
    taken = await take(worker, conversation)
    await post(alice, f"{conversation}/messages/{message['id']}/replace", content="hello")
    assert (await say(worker, conversation, "to hi", with_token(taken))).status_code == 409
    assert await contents(alice, conversation) == ["hello"]
    assert [m["content"] for m in (await take(worker, conversation))["history"]] == ["hello"]


async def test_a_deleted_conversation_takes_its_turn_along(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    (await alice.delete(conversation)).raise_for_status()
    assert (await say(worker, conversation, "late", with_token(taken))).status_code in (403, 404)
    path = f"{conversation}/turns/{taken['turnId']}"
    assert (await worker.put(path, json={}, headers=with_token(taken))).status_code == 404
    assert await service_pool.fetchval("SELECT count(*) FROM chat_turns WHERE id = $1", taken["turnId"]) == 0


async def test_a_turn_waits_for_what_its_owner_answers(
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    mallory: httpx.AsyncClient,
    conversation: str,
    bus: Redis,
) -> None:
    taken = await take(worker, conversation)
    turn, token = f"{conversation}/turns/{taken['turnId']}", with_token(taken)
    yes = {"answer": {"approved": True}}
    assert (await alice.post(f"{turn}/answer", json=yes)).headers["X-Error-Code"] == "turn_not_awaiting"
    question = {"awaiting": {"tool": "ban_player", "input": {"player": "p1"}}}
    for _ in range(2):
        asked = (await worker.put(turn, json=question, headers=token)).raise_for_status().json()["data"]
        assert (asked["state"], asked["awaiting"]) == ("awaiting", question["awaiting"])
    assert (await worker.put(turn, json={}, headers=token)).json()["data"]["state"] == "awaiting"
    assert (await say(alice, conversation, "meanwhile")).headers["X-Error-Code"] == "turn_running"
    for who in (mallory, worker):
        assert (await who.post(f"{turn}/answer", json=yes)).status_code == 403
    assert (await alice.post(f"{turn}/answer", json={"answer": {"x": "x" * 10_001}})).status_code == 400
    for _ in range(2):
        (await alice.post(f"{turn}/answer", json=yes)).raise_for_status()
    renewed = (await worker.put(turn, json={}, headers=token)).json()["data"]
    assert (renewed["state"], renewed["answer"]) == ("running", yes["answer"])
    assert "awaiting" not in renewed
    again = (await worker.put(turn, json=question, headers=token)).json()["data"]  # its first answer was lost
    assert (again["state"], again["answer"]) == ("running", yes["answer"])
    facts = await published(bus, conversation.split("/")[-1], 4)
    assert [fact["type"] for fact in facts[2:]] == ["chat.turn.awaiting.v1", "chat.turn.answered.v1"]
    assert facts[3]["data"]["answer"] == yes["answer"]
    await alice.post(f"{turn}/cancel")
    assert (await worker.put(turn, json=question, headers=token)).json()["data"]["cancelled"] is True
