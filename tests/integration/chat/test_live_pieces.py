"""Pieces of turns between the facts of a followed conversation: each once, in order, on any process."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
from ag_ui.core import Event
from pydantic import TypeAdapter
from redis.asyncio import Redis

from common.postgres import Pool
from tests.integration.chat.conftest import post, user_of
from tests.integration.chat.live_tabs import PIECE, Tab, open_tab
from tests.integration.chat.turn_calls import runtime, say, start_conversation, take, with_token
from tests.integration.chat.turn_readers import show, text, texts
from tests.support.services import Service
from tests.support.wait import eventually

AG_UI: TypeAdapter[Any] = TypeAdapter(Event)


@pytest.fixture
async def worker(chat: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A runtime of the tests' agent."""
    async with runtime(chat) as client:
        yield client


@pytest.fixture
async def path(alice: httpx.AsyncClient) -> str:
    """A new conversation's."""
    return await start_conversation(alice)


async def end(
    client: httpx.AsyncClient, path: str, taken: dict[str, Any], how: str = "finish", **b: Any
) -> None:
    turn = f"{path}/turns/{taken['turnId']}/{how}"
    answer = await client.post(turn, json=b, headers=with_token(taken))
    assert answer.status_code == 200, answer.text


def has_pieces(tab: Tab, count: int) -> bool:
    return len(tab.pieces) == count


def ends_with(tab: Tab, kind: str, messages: int = 1) -> bool:
    return kinds(tab)[-1:] == [kind] and kinds(tab).count("m") == messages


def has_all(tab: Tab, left: Tab) -> bool:
    """Whether as much has come as is left."""
    return len(tab.received) > len(left.received)


def kinds(tab: Tab) -> list[str]:
    """What came, pieces and messages by letter."""
    short = {PIECE: "p", "chat.message.appended.v1": "m"}
    return [short.get(name) or name.split(".")[2] for name in tab.names if name != "connected"]


async def test_pieces_stand_between_the_facts_of_their_turn_for_whoever_comes_when(
    chat: Service,
    second: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    path: str,
) -> None:
    user, id = user_of(alice), path.split("/")[-1]
    async with open_tab(chat, user, id) as one, open_tab(second, user, id) as two:
        taken = await take(worker, path)
        await eventually(lambda: kinds(one) == kinds(two) == ["started"])
        await show(service_pool, taken["turnId"], *texts(1, 3))
        for tab in (one, two):
            await eventually(partial(has_pieces, tab, 3))
        async with open_tab(second, user, id) as late:
            await eventually(lambda: late.pieces == one.pieces)
            await show(service_pool, taken["turnId"], *texts(4, 5))
            (await say(worker, path, "1 2 3 4 5 ", with_token(taken))).raise_for_status()
            await post(alice, f"{path}/messages", content="meanwhile")
            await show(service_pool, taken["turnId"], text(6))
            await end(worker, path, taken)
            following = await take(worker, path)
            await end(worker, path, following, messages=[{"role": "assistant", "content": "all at once"}])
            for tab in (one, two, late):
                await eventually(partial(ends_with, tab, "finished", messages=3))
    assert kinds(one)[:6] == ["started", *"ppppp"]
    assert [kind for kind in kinds(one) if kind != "p"] == [
        *["started", "m", "m", "finished", "started", "m", "finished"]
    ]
    assert kinds(one)[-4:] == ["started", "p", "m", "finished"], "what it says is shown before it is told"
    assert one.pieces == two.pieces == late.pieces == [*((1, n) for n in range(1, 7)), (2, 1)]
    assert one.received[1][1] == "2"
    assert one.received[2] == (
        PIECE,
        "2-1-1",
        {"conversationId": id, "turnId": taken["turnId"], "number": 1, "chunk": text(1)},
    )
    appended = next(id for name, id, _ in one.received if name == "chat.message.appended.v1")
    assert appended in ("3-1-5", "3-1-6"), "it says which pieces came before it"
    assert one.last_id == str(one.sequences[-1])


async def test_after_a_kill_facts_and_pieces_go_on_without_a_gap_or_a_double(
    chat: Service,
    second: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    path: str,
) -> None:
    """After any event: each id that was seen is gone back to, while the turn runs and after it."""
    user, id = user_of(alice), path.split("/")[-1]
    async with open_tab(second, user, id) as cut_off:
        taken = await take(worker, path)
        await show(service_pool, taken["turnId"], *texts(1, 2))
        await eventually(lambda: len(cut_off.pieces) == 2)
        await second.kill()
        await eventually(lambda: cut_off.ended)
    await show(service_pool, taken["turnId"], text(3))
    await second.start()
    async with (
        open_tab(chat, user, id, last_event_id=cut_off.last_id) as elsewhere,
        open_tab(second, user, id, query={"lastEventId": cut_off.last_id}) as restarted,
    ):
        assert elsewhere.received[0][1] == cut_off.last_id == "2-1-2"
        (await say(worker, path, "1 2 3 ", with_token(taken))).raise_for_status()
        await show(service_pool, taken["turnId"], text(4))
        await end(worker, path, taken, "cancel")
        for tab in (elsewhere, restarted):
            await eventually(partial(ends_with, tab, "cancelled", messages=2))
            assert tab.pieces == [(1, 3), (1, 4)]
        assert kinds(elsewhere)[0] == "p", "it was there before the message"
        everything = Tab([*cut_off.received, *elsewhere.received[1:]])
    for place, (_, last, _) in enumerate(everything.received):
        left = Tab(everything.received[place + 1 :])
        async with open_tab(second, user, id, last_event_id=last) as again:
            await eventually(partial(has_all, again, left))
            assert (again.sequences, again.pieces) == (left.sequences, left.pieces), last


async def run_of(
    service: Service, user: str, path: str, until: str, last: str | None = None
) -> AsyncIterator[tuple[str | None, Any]]:
    """The events of the protocol with their ids, up to the first of this type."""
    headers = {} if last is None else {"Last-Event-ID": last}
    async with service.client(user, timeout=120) as client:
        stream = client.stream("GET", f"{path}/events", params={"format": "ag-ui"}, headers=headers)
        async with stream as answer:
            id = None
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    id = value
                elif name == "data":
                    event = AG_UI.validate_json(value)
                    yield id, event
                    id = None
                    if event.type == until:
                        return


async def test_a_turn_is_a_run_of_the_ag_ui_protocol(
    chat: Service,
    second: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    path: str,
) -> None:
    """And going on after any of its events tells the rest, once."""
    user = user_of(alice)
    await post(alice, f"{path}/messages", content="hi")
    taken = await take(worker, path)
    run, call = taken["turnId"], {"id": "c", "name": "find"}
    events: list[tuple[str | None, Any]] = []
    async for id, event in run_of(chat, user, path, "RUN_FINISHED"):
        events.append((id, event))
        match len(events):
            case 3:
                use = {"number": 3, "type": "tool_use", "input": {"q": 1}, **call}
                result = {"number": 4, "type": "tool_result", "result": {"success": True}, **call}
                await show(service_pool, run, text(1, "a"), text(2, "b"), use, result, text(5, "c"))
            case 11:
                said = {
                    "id": run,
                    "role": "assistant",
                    "content": "abc",
                    "toolExecutions": [{**call, "input": {}}],
                }
                await end(worker, path, taken, messages=[said])
    types = [event.type.value for _, event in events]
    assert types[:3] == ["STATE_SNAPSHOT", "MESSAGES_SNAPSHOT", "RUN_STARTED"]
    assert types[3:] == [
        *("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CONTENT"),
        *("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT"),
        *("TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"),
    ]
    assert (events[2][1].thread_id, events[2][1].run_id) == (path.split("/")[-1], run)
    assert {e.message_id for _, e in events if e.type.value.startswith("TEXT")} == {run}
    assert events[4][0] == "3-1-1"
    for place, (last, _) in enumerate(events):
        if last is None or place + 1 == len(events):
            continue
        rest = [e async for _, e in run_of(second, user, path, "RUN_FINISHED", last)]
        assert rest[0].type.value == "CUSTOM"
        assert rest[1:] == [event for _, event in events[place + 1 :]], last


async def test_a_turn_that_is_shown_before_the_facts_of_the_one_before_it_is_shown_once(
    chat: Service,
    alice: httpx.AsyncClient,
    worker: httpx.AsyncClient,
    service_pool: Pool,
    path: str,
    bus: Redis,
) -> None:
    """The reader comes back while facts wait for Redis: Postgres says that another turn runs already."""
    user, id = user_of(alice), path.split("/")[-1]
    first = await take(worker, path)
    async with open_tab(chat, user, id) as one:
        await show(service_pool, first["turnId"], text(1))
        await eventually(partial(has_pieces, one, 1))
    await bus.client_pause(60_000, all=False)
    try:
        await end(worker, path, first)
        second = await take(worker, path)
        await show(service_pool, second["turnId"], *texts(1, 2))
        async with open_tab(chat, user, id, last_event_id=one.last_id) as again:
            await bus.client_unpause()
            await eventually(lambda: "started" in kinds(again))
            await end(worker, path, second)
            await eventually(lambda: kinds(again).count("finished") == 2)
    finally:
        await bus.client_unpause()
    assert again.pieces == [(2, 1), (2, 2)]
