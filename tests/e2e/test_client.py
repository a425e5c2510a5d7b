"""takaro-agent-client against the running services: the same cases for its sync and its async client."""

from uuid import uuid4

import httpx
import pytest

from takaro_agent_client import Conflict, ConnectionFailed, Invalid, NotFound, Retrying
from takaro_agent_client.calls import EventSource
from takaro_agent_client.operations import (
    cockpit,
    conversations,
    custom_agents,
    knowledge,
    messages,
    states,
    usage,
)
from tests.e2e.asking import Asks, Make
from tests.e2e.conftest import BASE, INSTALLED, Request, System
from tests.support.github import Answer
from tests.support.plain_http import NO_TLS
from tests.support.wait import eventually
from tests.support.web import Request as Received
from tests.support.web import serve


async def test_it_speaks_to_all_three(client: Asks) -> None:
    conversation = await client.send(conversations.create("module-writer/grok-fast"))
    assert (conversation.agent_id, conversation.user_id) == ("module-writer", INSTALLED)
    assert await client.send(conversations.get(conversation.id)) == conversation
    titled = await client.send(conversations.set_title(conversation.id, "Greetings"))
    assert titled.title == "Greetings"
    found = await client.each(conversations.by_agent("module-writer/grok-fast"))
    assert conversation.id in [each.id for each in found]
    changed = await client.send(states.patch(conversation.id, {"moduleId": "m"}))
    assert await client.send(states.get(conversation.id)) == changed
    whole = states.replace(conversation.id, {"moduleId": "n"}, expected_version=changed.version)
    assert (await client.send(whole)).state == {"moduleId": "n"}
    with pytest.raises(Conflict) as lost:
        await client.send(whole)
    assert lost.value.status == 409
    assert (await client.send(usage.get())).user_id == INSTALLED
    session = await client.send(cockpit.session(conversation.id))
    assert session.conversation_id == conversation.id
    assert BASE in [base.id for base in await client.each(knowledge.listing())]
    assert (await client.send(knowledge.get(BASE))).chunk_size == 1000
    assert isinstance(await client.send(knowledge.search(BASE, "Who is banned?", limit=1)), list)
    agent = await client.send(custom_agents.create(f"writer {uuid4()}", "You write.", "gpt-5"))
    renamed = await client.send(custom_agents.update(agent.id, name=f"reader {uuid4()}"))
    assert renamed.name.startswith("reader")
    await client.send(custom_agents.delete(agent.id))
    await client.send(conversations.delete(conversation.id))
    with pytest.raises(NotFound):
        await client.send(conversations.get(conversation.id))


async def test_a_list_is_iterated_page_by_page(client: Asks) -> None:
    conversation = await client.send(conversations.create("module-writer"))
    for number in range(5):
        await client.send(messages.post(conversation.id, f"message {number}"))
    wanted = [f"message {number}" for number in range(5)]
    for page_size in (2, 5, None):
        found = await client.each(messages.listing(conversation.id), page_size=page_size)
        assert [message.content for message in found] == wanted


async def test_a_refusal_says_code_details_and_trace(client: Asks) -> None:
    request = Request()
    with pytest.raises(NotFound) as missing:
        await client.send(conversations.get(uuid4()), traceparent=request.traceparent)
    assert (missing.value.status, missing.value.code) == (404, "conversation_not_found")
    assert missing.value.message == "Conversation not found"
    assert missing.value.trace_id == request.trace_id
    with pytest.raises(Invalid) as wrong:
        await client.send(conversations.get("no-uuid"))
    assert wrong.value.details.keys() == {"conversationId"}


async def test_a_request_continues_the_callers_trace(client: Asks, system: System) -> None:
    request = Request()
    await client.send(conversations.create("module-writer"), traceparent=request.traceparent)
    await system.trace(request, "chat: POST /api/conversations")


async def test_a_post_whose_answer_is_lost_has_one_effect(make: Make, client: Asks, system: System) -> None:
    """Without the idempotency key that the attempts share, there would be two messages."""
    conversation = await client.send(conversations.create("module-writer"))
    lost = 0

    async def loses_answers(request: Received) -> Answer:
        nonlocal lost
        answer = await _forwarded(system["chat"].url, request)
        if request.method == "POST" and lost < 2:
            lost += 1
            raise ConnectionResetError
        return answer

    async with serve(loses_answers) as proxy:
        message = await make(proxy.url).send(messages.post(conversation.id, "once"))
    stored = await client.each(messages.listing(conversation.id))
    assert [each.id for each in stored] == [message.id]
    assert lost == 2


async def test_it_gives_up_on_a_service_that_does_not_answer(make: Make) -> None:
    async def drops(_: Received) -> Answer:
        raise ConnectionResetError

    async with serve(drops) as proxy:
        with pytest.raises(ConnectionFailed):
            await make(proxy.url).send(conversations.get(uuid4()))
        assert len(proxy.requests) == Retrying().attempts


async def test_an_event_stream_is_followed_and_goes_on_where_it_was(client: Asks) -> None:
    conversation = await client.send(conversations.create("module-writer"))
    session = await client.send(cockpit.session(conversation.id))
    await client.send(cockpit.start(session.id))
    source = cockpit.events(session.id)

    async def runs() -> bool:
        return bool((await client.send(cockpit.status(session.id))).status == "running")

    await eventually(runs)
    await client.send(cockpit.command(session.id, "say first"))
    seen = await client.follow(source, lambda event: "first" in event.data)
    assert seen[0].event == "connected"
    await client.send(cockpit.command(session.id, "say \u2028second"))
    again = await client.follow(source, lambda event: "second" in event.data, last_event_id=seen[-1].id)
    numbers = [int(event.id) for event in (*seen, *again) if event.id]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    await client.send(cockpit.stop(session.id))


async def test_a_stream_that_breaks_is_opened_again_after_its_last_event(client: Asks, make: Make) -> None:
    """The first connection is cut after an event with an id."""
    ids: list[str | None] = []

    async def breaks(request: Received) -> Answer:
        ids.append(request.headers.get("last-event-id"))
        body = f"id: {len(ids)}\nevent: event\ndata: {{}}\n\n".encode()
        return Answer(200, body + b": more to come", {"Content-Type": "text/event-stream"}, sent=len(body))

    async with serve(breaks) as broken:
        source = EventSource("chat", "/anything")
        seen = await make(broken.url).follow(source, lambda event: event.id == "3")
    assert [event.id for event in seen] == ["1", "2", "3"]
    assert ids[:3] == [None, "1", "2"]


async def _forwarded(url: str, request: Received) -> Answer:
    kept = {name: text for name, text in request.headers.items() if name not in ("host", "content-length")}
    async with httpx.AsyncClient(trust_env=False, timeout=60, verify=NO_TLS) as http:
        got = await http.request(request.method, url + request.target, headers=kept, content=request.body)
    return Answer(got.status_code, got.content, {"Content-Type": got.headers["content-type"]})
