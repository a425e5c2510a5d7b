"""A turn followed over HTTP: each piece once and in order on any process, whoever comes when, and its end."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest

from common.postgres import Pool
from tests.integration.chat.conftest import user_of
from tests.integration.chat.turn_calls import runtime, start_conversation, take, with_token
from tests.integration.chat.turn_readers import reading, show, text, texts
from tests.support.raw_http import connected, request
from tests.support.services import Service
from tests.support.wait import eventually


@pytest.fixture
async def worker(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A runtime of the tests' agent."""
    async with runtime(chat) as client:
        yield client


@pytest.fixture
async def taken(alice: httpx.AsyncClient, worker: httpx.AsyncClient) -> dict[str, Any]:
    """A turn that runs in a new conversation of alice's; ``path`` is its own."""
    conversation = await start_conversation(alice)
    turn = await take(worker, conversation)
    return {**turn, "path": f"{conversation}/turns/{turn['turnId']}"}


async def end(client: httpx.AsyncClient, taken: dict[str, Any], how: str, **body: Any) -> None:
    answer = await client.post(f"{taken['path']}/{how}", json=body, headers=with_token(taken))
    assert answer.status_code == 200, answer.text


async def test_readers_of_two_processes_get_each_piece_once_whenever_they_come(
    chat: Service,
    second: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    taken: dict[str, Any],
) -> None:
    user, stream = user_of(alice), f"{taken['path']}/stream"
    use = {"number": 3, "type": "tool_use", "id": "c", "name": "find", "input": {"exactly": 10**30}}
    async with AsyncExitStack() as stack:
        early = [await stack.enter_async_context(reading(s, user, stream)) for s in (chat, second)]
        assert early[0].headers["content-type"].startswith("text/event-stream")
        await show(service_pool, taken["turnId"], *texts(1, 2))
        late = [await stack.enter_async_context(reading(s, user, stream)) for s in (chat, second)]
        own = await stack.enter_async_context(
            reading(second, "runtime", stream, headers={"X-Scope": "agent", "X-Agents": taken["agentId"]})
        )
        for reader in (*early, *late, own):
            await reader.has(1, 2)
        raw = '{"number":3,"type":"tool_use","id":"c","name":"find","input":{"exactly":1' + "0" * 30 + "}}"
        await service_pool.execute(
            "INSERT INTO chat_turn_pieces VALUES ($1, 3, 3, 0, $2)", taken["turnId"], f"[{raw}]"
        )
        await show(service_pool, taken["turnId"], *texts(4, 40))
        await end(worker, taken, "finish", usage={"inputTokens": 3, "outputTokens": 4})
        after = await stack.enter_async_context(reading(second, user, stream))
        for reader in (*early, *late, own, after):
            assert await reader.end() == (
                "done",
                {
                    "type": "done",
                    "tokenUsage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
                    "usage": {"inputTokens": 3, "outputTokens": 4},
                },
            )
            assert reader.numbers == list(range(1, 41))
            assert reader.received[2] == ("tool_use", "3", {**use, "input": {"exactly": pytest.approx(1e30)}})
            assert reader.received == early[0].received


async def test_after_a_kill_a_reader_goes_on_at_any_process_where_it_was(
    chat: Service, second: Service, alice: httpx.AsyncClient, service_pool: Pool, taken: dict[str, Any]
) -> None:
    user, stream = user_of(alice), f"{taken['path']}/stream"
    async with reading(second, user, stream) as cut_off:
        await show(service_pool, taken["turnId"], *texts(1, 5))
        await show(service_pool, taken["turnId"], *texts(6, 8))
        await cut_off.has(*range(1, 9))
        await second.kill()
        await eventually(lambda: cut_off.ended)
    await show(service_pool, taken["turnId"], *texts(9, 10))
    await second.start()
    within_a_row = {"Last-Event-ID": "3"}
    async with (
        reading(chat, user, stream, headers={"Last-Event-ID": cut_off.last_id}) as elsewhere,
        reading(second, user, stream, headers={"Last-Event-ID": cut_off.last_id}) as restarted,
        reading(second, user, stream, params={"lastEventId": "3"}) as anew,
        reading(chat, user, stream, headers=within_a_row, params={"lastEventId": "8"}) as both,
    ):
        await show(service_pool, taken["turnId"], *texts(11, 12))
        for reader in (elsewhere, restarted):
            await reader.has(9, 10, 11, 12)
        for reader in (anew, both):
            await reader.has(*range(4, 13))


@pytest.mark.parametrize("how", ["fail", "cancel"])
async def test_a_turn_that_ends_otherwise_says_why(
    chat: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    taken: dict[str, Any],
    how: str,
) -> None:
    async with reading(chat, user_of(alice), f"{taken['path']}/stream") as reader:
        await show(service_pool, taken["turnId"], text(1))
        await end(worker, taken, how, **({"error": "The model is away"} if how == "fail" else {}))
        name, data = await reader.end()
    state = "failed" if how == "fail" else "cancelled"
    text_of = "The model is away" if how == "fail" else "The answer was stopped"
    assert (name, data) == ("error", {"type": "error", "error": text_of, "code": f"turn_{state}"})
    assert reader.names == ["text", "error"]


async def test_an_expired_turn_and_a_deleted_conversation_end_their_streams(
    chat: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    taken: dict[str, Any],
) -> None:
    conversation = taken["path"].rpartition("/turns")[0]
    async with reading(chat, user_of(alice), f"{taken['path']}/stream") as reader:
        await service_pool.execute("UPDATE chat_turns SET expires_at = now() WHERE id = $1", taken["turnId"])
        assert (await reader.end())[1]["code"] == "turn_interrupted"
    following = await take(worker, conversation)
    async with reading(chat, user_of(alice), f"{conversation}/turns/{following['turnId']}/stream") as reader:
        (await alice.delete(conversation)).raise_for_status()
        assert (await reader.end())[1]["code"] == "conversation_deleted"


async def test_a_turn_that_waits_for_a_person_says_so_and_goes_on(
    chat: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    taken: dict[str, Any],
) -> None:
    async with reading(chat, user_of(alice), f"{taken['path']}/stream") as reader:
        question = {"tool": "ban", "input": {"player": "Zoe"}}
        asked = await worker.put(taken["path"], json={"awaiting": question}, headers=with_token(taken))
        asked.raise_for_status()
        await eventually(lambda: reader.names == ["awaiting"])
        async with reading(chat, user_of(alice), f"{taken['path']}/stream") as late:
            await eventually(lambda: late.names == ["awaiting"])
        (await alice.post(f"{taken['path']}/answer", json={"answer": {"ok": True}})).raise_for_status()
        await show(service_pool, taken["turnId"], text(1))
        await end(worker, taken, "finish")
        assert (await reader.end())[0] == "done"
    assert reader.names == ["awaiting", "text", "done"]
    assert reader.received[0] == ("awaiting", None, {"type": "awaiting", **question})


async def test_a_reader_that_reads_nothing_holds_nobody_up_and_gets_all_of_it_later(
    chat: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    taken: dict[str, Any],
) -> None:
    user, stream = user_of(alice), f"{taken['path']}/stream"
    async with connected(chat) as frozen, reading(chat, user, stream) as reader:
        await frozen.send(request(f"GET {stream}", "Connection: close", user=user))
        large = "x" * 60_000
        for first in range(1, 201, 10):  # more than sockets hold
            pieces = [text(number, large) for number in range(first, first + 10)]
            await show(service_pool, taken["turnId"], *pieces)
            await reader.has(*range(1, first + 10))
        await end(worker, taken, "finish")
        assert (await reader.end())[0] == "done"
        events = unchunked((await frozen.rest()).partition(b"\r\n\r\n")[2])
    numbers = [line for line in events.split(b"\n") if line.startswith(b"id: ")]
    assert numbers == [b"id: %d" % number for number in range(1, 201)]
    assert b"event: done" in events


async def test_what_was_redacted_is_shown_to_nobody_who_comes_later(
    chat: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    taken: dict[str, Any],
) -> None:
    """Not from memory either, while others follow the turn."""
    conversation, message = taken["path"].rpartition("/turns")[0], str(uuid4())
    stream, user = f"{taken['path']}/stream", user_of(alice)
    async with reading(chat, user, stream) as before:
        await show(service_pool, taken["turnId"], {**text(1, "a secret"), "messageId": message}, text(2))
        await before.has(1, 2)
        said = {"messages": [{"id": message, "role": "assistant", "content": "a secret"}]}
        bulk = await worker.post(f"{conversation}/messages/bulk", json=said, headers=with_token(taken))
        bulk.raise_for_status()
        (await alice.post(f"{conversation}/messages/{message}/redact")).raise_for_status()
        async with reading(chat, user, stream) as late:
            await late.has(1, 2)
            await end(worker, taken, "finish")
            assert (await late.end())[0] == "done"
    assert [piece["content"] for _, _, piece in late.received[:2]] == ["", "2 "]


def unchunked(body: bytes) -> bytes:
    """A body that was sent in chunks."""
    found = bytearray()
    while body:
        size, _, body = body.partition(b"\r\n")
        found += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return bytes(found)


async def test_only_the_owner_and_runtimes_of_the_agent_follow(
    chat: Service, alice: httpx.AsyncClient, mallory: httpx.AsyncClient, taken: dict[str, Any]
) -> None:
    stream = f"{taken['path']}/stream"
    assert (await mallory.get(stream)).status_code == 403
    async with runtime(chat, "another-agent") as other:
        assert (await other.get(stream)).status_code == 403
    conversation = taken["path"].rpartition("/turns")[0]
    for path in (f"{conversation}/turns/{uuid4()}", f"/api/conversations/{uuid4()}/turns/{taken['turnId']}"):
        assert (await alice.get(f"{path}/stream")).status_code == 404
    other_ones = f"{await start_conversation(alice)}/turns/{taken['turnId']}/stream"
    assert (await alice.get(other_ones)).status_code == 404
    for last in ("-1", "x", "01", "1.5", "9" * 10, "1-0"):
        assert (await alice.get(stream, headers={"Last-Event-ID": last})).status_code == 400
        assert (await alice.get(stream, params={"lastEventId": last})).status_code == 400
