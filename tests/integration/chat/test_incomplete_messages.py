"""What a turn had shown when it ended early stands in the conversation, and nothing stands there twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from chat.messages.shown_pieces import MOST_MESSAGES
from chat.turns import piece_repository
from chat.turns.records import PieceRow
from common import codec
from common.postgres import Pool
from tests.integration.chat.conftest import published
from tests.integration.chat.test_turn_pieces import lines, piece, show, shown
from tests.integration.chat.test_turns import expire
from tests.integration.chat.turn_calls import contents, runtime, start_conversation, take, with_token
from tests.support.services import Service
from tests.support.wait import eventually

CALL = {"type": "tool_use", "id": "1", "name": "list", "input": {"a": 1}}
RESULT = {"type": "tool_result", "id": "1", "name": "list", "result": {"success": True}, "durationMs": 3}


@pytest.fixture
async def worker(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A runtime of the tests' agent."""
    async with runtime(chat) as client:
        yield client


@pytest.fixture
async def conversation(alice: httpx.AsyncClient) -> str:
    """The path of a new conversation of alice's."""
    return await start_conversation(alice)


async def messages(user: httpx.AsyncClient, conversation: str) -> list[dict[str, Any]]:
    answer = await user.get(f"{conversation}/messages")
    listed: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
    return listed


@pytest.mark.parametrize("how", ["interrupted", "failed", "cancelled"])
async def test_what_was_shown_becomes_a_message(
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    conversation: str,
    service_pool: Pool,
    bus: Redis,
    how: str,
) -> None:
    taken = await take(worker, conversation)
    first, second = str(uuid4()), str(uuid4())
    pieces = [
        piece(1, "one ", messageId=first),
        piece(2, "message", messageId=first),
        {"number": 3, "messageId": second, **CALL},
        {"number": 4, "messageId": second, **RESULT},
        piece(5, "un"),
        piece(6, "named"),
    ]
    (await show(worker, conversation, taken, lines(*pieces))).raise_for_status()
    token, turn = with_token(taken), f"{conversation}/turns/{taken['turnId']}"
    whole = {"messages": [{"id": first, "role": "assistant", "content": "one message, whole"}]}
    (await worker.post(f"{conversation}/messages/bulk", json=whole, headers=token)).raise_for_status()
    if how == "failed":
        (await worker.post(f"{turn}/fail", json={"error": "broken"}, headers=token)).raise_for_status()
    elif how == "cancelled":
        (await alice.post(f"{turn}/cancel")).raise_for_status()
    else:
        await expire(service_pool, taken)

    async def ended() -> bool:
        return bool((await alice.get(turn)).json()["data"]["state"] == how)

    await eventually(ended)
    whole_message, called, unnamed = await messages(alice, conversation)
    assert "incomplete" not in whole_message
    assert whole_message["content"] == "one message, whole"
    assert (called["id"], called["content"], called["incomplete"]) == (second, "", how)
    execution = {"id": "1", "name": "list", "input": {"a": 1}, "result": {"success": True}, "durationMs": 3}
    assert called["toolExecutions"] == [execution]
    assert (unnamed["id"], unnamed["content"], unnamed["incomplete"]) == (taken["turnId"], "unnamed", how)
    facts = await published(bus, conversation.split("/")[-1], 6)
    told = [fact["data"] for fact in facts[2:]]
    assert [fact["type"] for fact in facts[2:]] == ["chat.message.appended.v1"] * 3 + [f"chat.turn.{how}.v1"]
    assert [data.get("incomplete") for data in told[:3]] == [None, how, how]
    assert (await take(worker, conversation))["history"][-1]["incomplete"] == how


async def test_a_piece_may_say_null_for_what_it_does_not_have(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    pieces = [piece(1, "text", messageId=None), {"number": 2, **CALL}, {"number": 3, **RESULT}]
    pieces[2]["durationMs"] = None
    (await show(worker, conversation, taken, lines(*pieces))).raise_for_status()
    execution = {name: value for name, value in RESULT.items() if name != "durationMs"}
    assert await shown(service_pool, taken) == [piece(1, "text"), pieces[1], {"number": 3, **execution}]
    (await alice.post(f"{conversation}/turns/{taken['turnId']}/cancel")).raise_for_status()
    [message] = await messages(alice, conversation)
    assert (message["id"], message["content"], message["incomplete"]) == (
        taken["turnId"],
        "text",
        "cancelled",
    )


async def test_a_finished_turn_leaves_its_runtimes_messages_alone(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    (await show(worker, conversation, taken, lines(piece(1, "draft")))).raise_for_status()
    path = f"{conversation}/turns/{taken['turnId']}/finish"
    body = {"messages": [{"role": "assistant", "content": "the answer"}]}
    for _ in range(2):
        (await worker.post(path, json=body, headers=with_token(taken))).raise_for_status()
    assert await contents(alice, conversation) == ["the answer"]
    assert await shown(service_pool, taken) == [piece(1, "draft")]


async def test_a_turn_that_showed_nothing_shows_the_messages_with_which_it_ends(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    path, long = f"{conversation}/turns/{taken['turnId']}/finish", "ä" * 100_000
    body = {"messages": [{"role": "tool", "content": "t"}, {"role": "assistant", "content": long}]}
    (await worker.post(path, json=body, headers=with_token(taken))).raise_for_status()
    stored = await messages(alice, conversation)
    told = await shown(service_pool, taken)
    assert "".join(each["content"] for each in told) == long
    assert {each["messageId"] for each in told} == {stored[1]["id"]}


async def test_the_id_of_a_message_elsewhere_loses_nothing(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str
) -> None:
    elsewhere, id = await start_conversation(alice), str(uuid4())
    body = {"messages": [{"id": id, "role": "assistant", "content": "elsewhere"}]}
    (await alice.post(f"{elsewhere}/messages/bulk", json=body)).raise_for_status()
    taken = await take(worker, conversation)
    (await show(worker, conversation, taken, lines(piece(1, "here", messageId=id)))).raise_for_status()
    (await alice.post(f"{conversation}/turns/{taken['turnId']}/cancel")).raise_for_status()
    assert await contents(alice, conversation) == ["here"]
    assert await contents(alice, elsewhere) == ["elsewhere"]


async def test_an_end_waits_for_pieces_that_are_being_stored(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    taken = await take(worker, conversation)
    async with service_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM chat_turns WHERE id = $1 FOR NO KEY UPDATE", taken["turnId"])
        encoded = codec.dumps_str([piece(1, "just now")])
        row = PieceRow(UUID(taken["turnId"]), 1, 1, encoded)
        await piece_repository.insert_pieces(connection, [row], [9])
        path = f"{conversation}/turns/{taken['turnId']}/cancel"
        cancelling = asyncio.ensure_future(alice.post(path))

        async def waits() -> bool:
            return bool(await service_pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await eventually(waits)
    (await cancelling).raise_for_status()
    assert await contents(alice, conversation) == ["just now"]


async def test_a_redaction_takes_what_was_shown_too(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str, service_pool: Pool
) -> None:
    ended = await take(worker, conversation)
    (await show(worker, conversation, ended, lines(piece(1, "secret")))).raise_for_status()
    path = f"{conversation}/turns/{ended['turnId']}/cancel"
    (await alice.post(path)).raise_for_status()
    running, id = await take(worker, conversation), str(uuid4())
    told = [piece(1, "secret", messageId=id), {"number": 2, "messageId": id, **CALL}, piece(3, "open")]
    (await show(worker, conversation, running, lines(*told))).raise_for_status()
    body = {"messages": [{"id": id, "role": "assistant", "content": "secret"}]}
    token = with_token(running)
    (await worker.post(f"{conversation}/messages/bulk", json=body, headers=token)).raise_for_status()
    for message_id in (id, ended["turnId"]):
        (await alice.post(f"{conversation}/messages/{message_id}/redact")).raise_for_status()
    assert await shown(service_pool, ended) == []
    left = await shown(service_pool, running)
    assert "secret" not in str(left)
    assert (left[1]["input"], left[2]) == ({}, piece(3, "open"))
    assert (await messages(alice, conversation))[0]["incomplete"] == "cancelled"


async def test_exports_and_forks_keep_the_mark(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str
) -> None:
    taken = await take(worker, conversation)
    (await show(worker, conversation, taken, lines(piece(1, "half")))).raise_for_status()
    (await alice.post(f"{conversation}/turns/{taken['turnId']}/cancel")).raise_for_status()
    exported = (await alice.get(f"{conversation}/export")).content
    imported = await alice.post("/api/imports?copy=true", content=exported)
    copy = f"/api/conversations/{imported.raise_for_status().json()['data']['id']}"
    forked = await alice.post(f"{conversation}/fork", json={})
    fork = f"/api/conversations/{forked.raise_for_status().json()['data']['id']}"
    for where in (copy, fork):
        [message] = await messages(alice, where)
        assert (message["content"], message["incomplete"]) == ("half", "cancelled")


async def test_a_turn_that_begins_a_message_in_each_piece_is_ended_too(
    alice: httpx.AsyncClient, worker: httpx.AsyncClient, conversation: str
) -> None:
    taken = await take(worker, conversation)
    pieces = [piece(n, f"{n} ", messageId=str(uuid4())) for n in range(1, MOST_MESSAGES + 51)]
    (await show(worker, conversation, taken, lines(*pieces))).raise_for_status()
    (await alice.post(f"{conversation}/turns/{taken['turnId']}/cancel")).raise_for_status()
    stored = await messages(alice, conversation)
    assert len(stored) == MOST_MESSAGES
    assert "".join(each["content"] for each in stored) == "".join(each["content"] for each in pieces)
