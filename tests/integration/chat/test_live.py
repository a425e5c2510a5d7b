"""A conversation followed live: each fact once and in order, whatever happens to processes and the stream."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from ag_ui.core import Event
from pydantic import TypeAdapter
from redis.asyncio import Redis

from common.postgres import Pool
from tests.integration.chat.conftest import post, published, user_of
from tests.integration.chat.live_tabs import open_tab
from tests.support.services import Service
from tests.support.wait import eventually

AG_UI: TypeAdapter[Any] = TypeAdapter(Event)


async def converse(client: httpx.AsyncClient) -> str:
    conversation = await post(client, "/api/conversations", agentId="module-writer")
    return str(conversation["id"])


async def say(client: httpx.AsyncClient, conversation: str, *contents: str) -> list[str]:
    """Post messages one after the other; their ids."""
    path = f"/api/conversations/{conversation}/messages"
    return [(await post(client, path, content=content))["id"] for content in contents]


async def test_two_tabs_and_two_processes_get_each_fact_once(
    chat: Service, second: Service, alice: httpx.AsyncClient
) -> None:
    mine, other = await converse(alice), await converse(alice)
    user = user_of(alice)
    async with (
        open_tab(chat, user, mine) as one,
        open_tab(chat, user, mine) as two,
        open_tab(second, user, mine) as three,
    ):
        assert one.received[0] == ("connected", "1", {"conversationId": mine, "sequence": 1})
        await asyncio.gather(say(alice, mine, *"abc"), say(alice, other, *"xyz"))
        await alice.patch(f"/api/conversations/{mine}", json={"title": "Zombies"})
        for tab in (one, two, three):
            await tab.has(2, 3, 4, 5)
    name, id, fact = one.received[1]
    assert (name, id, fact["type"], fact["subject"]) == (
        "chat.message.appended.v1",
        "2",
        "chat.message.appended.v1",
        mine,
    )
    assert fact["data"]["content"] == "a"
    assert one.received == two.received == three.received


async def test_after_a_kill_what_was_missed_follows_on_any_process(
    chat: Service, second: Service, alice: httpx.AsyncClient
) -> None:
    conversation, user = await converse(alice), user_of(alice)
    async with open_tab(second, user, conversation) as tab:
        await say(alice, conversation, *"abc")
        await tab.has(2, 3, 4)
        await second.kill()
        await eventually(lambda: tab.ended)
    await say(alice, conversation, *"def")
    await second.start()
    last = tab.last_id
    async with (
        open_tab(chat, user, conversation, last_event_id=last) as elsewhere,
        open_tab(second, user, conversation, last_event_id=last) as restarted,
        open_tab(second, user, conversation, query={"lastEventId": last}) as anew,
        open_tab(second, user, conversation, last_event_id=last, query={"lastEventId": "1"}) as again,
    ):
        await say(alice, conversation, "g")
        for each in (elsewhere, restarted, anew, again):
            await each.has(5, 6, 7, 8)
            assert each.received[0][1] == "4"


async def test_tabs_that_come_while_messages_do_miss_none_and_get_none_twice(
    chat: Service, second: Service, alice: httpx.AsyncClient
) -> None:
    conversation, user = await converse(alice), user_of(alice)
    total = 40
    writing = asyncio.create_task(say(alice, conversation, *map(str, range(total))))

    async def come(service: Service, after: str | None) -> None:
        async with open_tab(service, user, conversation, last_event_id=after) as tab:
            first = int(tab.received[0][1] or 0) + 1
            await eventually(lambda: tab.sequences[-1:] == [total + 1] or first > total + 1)
            assert tab.sequences == list(range(first, total + 2))
            assert "reset" not in tab.names

    comers: list[asyncio.Task[None]] = []
    while not writing.done() and len(comers) < 12:
        comers.append(
            asyncio.create_task(come((chat, second)[len(comers) % 2], None if len(comers) % 3 else "1"))
        )
        await asyncio.sleep(0)
        await asyncio.wait({writing}, timeout=0.02)
    await asyncio.gather(writing, *comers)


async def test_a_tab_whose_facts_were_trimmed_is_told_to_read_again(
    second: Service, alice: httpx.AsyncClient, bus: Redis
) -> None:
    conversation, user = await converse(alice), user_of(alice)
    await say(alice, conversation, *"ab")
    await published(bus, conversation, 3)
    await bus.xtrim("chat.events", maxlen=0, approximate=False)
    await second.kill()
    await second.start()
    async with open_tab(second, user, conversation, last_event_id="1") as tab:
        await eventually(lambda: "reset" in tab.names)
        await say(alice, conversation, "c")
        await tab.has(4)
    assert tab.received[1] == ("reset", "3", {"sequence": 3})


async def test_a_tab_that_read_further_than_the_conversation_goes_is_told_to_read_again(
    chat: Service, alice: httpx.AsyncClient
) -> None:
    conversation, user = await converse(alice), user_of(alice)
    async with open_tab(chat, user, conversation, last_event_id="999") as tab:
        await say(alice, conversation, "a")
        await tab.has(2)
    assert tab.names[:2] == ["connected", "reset"]


async def test_the_deletion_is_the_last_that_is_told(chat: Service, alice: httpx.AsyncClient) -> None:
    conversation, user = await converse(alice), user_of(alice)
    async with open_tab(chat, user, conversation) as tab:
        await alice.delete(f"/api/conversations/{conversation}")
        await eventually(lambda: tab.ended)
    assert tab.names == ["connected", "chat.conversation.deleted.v1", "end"]
    assert tab.received[-1][2] == {"reason": "deleted"}
    assert (await alice.get(f"/api/conversations/{conversation}/events")).status_code == 404


async def test_what_was_redacted_is_not_told_again(
    chat: Service, second: Service, alice: httpx.AsyncClient
) -> None:
    conversation, user = await converse(alice), user_of(alice)
    (message,) = await say(alice, conversation, "a secret")
    await post(alice, f"/api/conversations/{conversation}/messages/{message}/redact")
    for service in (chat, second):
        async with open_tab(service, user, conversation, last_event_id="2") as tab:
            await tab.has(3)  # until then this process may not know of it
        async with open_tab(service, user, conversation, last_event_id="1") as tab:
            await tab.has(2, 3)
        assert tab.received[1][2]["data"]["content"] == ""


async def test_only_the_owner_follows(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient, service_pool: Pool
) -> None:
    conversation = await converse(alice)
    assert (await mallory.get(f"/api/conversations/{conversation}/events")).status_code == 403
    assert (await mallory.get(f"/api/conversations/{uuid4()}/events")).status_code == 404


@pytest.mark.parametrize("last", ["-1", "x", "01", "1.5", "9" * 19, "1-0"])
async def test_an_id_that_no_event_has_is_refused(alice: httpx.AsyncClient, last: str) -> None:
    conversation = await converse(alice)
    path = f"/api/conversations/{conversation}/events"
    for answer in (
        await alice.get(path, headers={"Last-Event-ID": last}),
        await alice.get(path, params={"lastEventId": last}),
    ):
        assert answer.status_code == 400
        assert answer.json()["details"]


async def test_the_ag_ui_protocol_has_the_conversation_first_and_then_what_changes(
    chat: Service, alice: httpx.AsyncClient
) -> None:
    conversation = await converse(alice)
    await say(alice, conversation, "first")
    path = f"/api/conversations/{conversation}"
    events: list[tuple[str | None, Any]] = []

    async def read(client: httpx.AsyncClient, until: str, last: str | None = None) -> None:
        headers = {} if last is None else {"Last-Event-ID": last}
        stream = client.stream("GET", f"{path}/events", params={"format": "ag-ui"}, headers=headers)
        async with stream as answer:
            id = None
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    id = value
                elif name == "data":
                    events.append((id, AG_UI.validate_json(value)))
                    id = None
                    if last is None and len(events) == 2:
                        await say(alice, conversation, "second")
                    if events[-1][1].type == until:
                        return

    def types() -> list[str]:
        return [event.type.value for _, event in events]

    async with chat.client(user_of(alice), timeout=120) as client:
        await read(client, "TEXT_MESSAGE_END")
        texts = ["TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"]
        assert types() == ["STATE_SNAPSHOT", "MESSAGES_SNAPSHOT", *texts]
        assert [message.content for message in events[1][1].messages] == ["first"]
        assert [id for id, _ in events] == [None, "2", None, None, "3"]
        events.clear()
        await alice.patch(f"{path}/state", json={"step": 1})
        await read(client, "STATE_SNAPSHOT", "3")
    assert types() == ["CUSTOM", "STATE_SNAPSHOT"]
    assert events[-1][1].snapshot == {"step": 1}
