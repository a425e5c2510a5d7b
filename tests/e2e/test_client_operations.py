"""What takaro-agent-client does besides talking, against the running services: the same cases for its sync
and its async client."""

import io
from uuid import uuid4

import pytest

from takaro_agent_client import Conflict, ConnectionFailed, Forbidden
from takaro_agent_client.operations import (
    conversations,
    custom_agents,
    knowledge,
    messages,
    quotas,
    states,
    transfers,
)
from tests.e2e.asking import Asks, Make
from tests.e2e.conftest import BASE, INSTALLED
from tests.support.github import Answer
from tests.support.wait import eventually
from tests.support.web import Request as Received
from tests.support.web import serve


async def test_answers_are_rated_and_redacted_and_questions_asked_again(client: Asks) -> None:
    id = (await client.send(conversations.create("module-writer"))).id
    asked, said = await client.send(
        messages.append(
            id,
            [
                {"id": str(uuid4()), "role": "user", "content": "Which hooks are there?"},
                {"role": "assistant", "content": "Many", "tool_results": {"found": 3}, "model": "gpt-5"},
            ],
        )
    )
    assert said.tool_results == {"found": 3}
    given = await client.send(messages.give_feedback(id, said.id, "down", note="too short"))
    newest_first = await client.each(messages.listing(id, order="desc"))
    assert newest_first[0].feedback == given
    await client.send(messages.remove_feedback(id, said.id))

    fork = await client.send(conversations.fork(id, asked.id))
    assert [message.content for message in await client.each(messages.listing(fork.id))] == [asked.content]
    replaced = await client.send(messages.replace(id, asked.id, "Which commands are there?"))
    assert replaced.message.content == "Which commands are there?"
    assert (await client.send(messages.count(replaced.branch.id))).total == 2
    redacted = await client.send(messages.redact(id, replaced.message.id))
    assert (redacted.content, redacted.redacted_at is None) == ("", False)


async def test_messages_are_found_and_conversations_filtered_and_counted(client: Asks) -> None:
    word = f"w{uuid4().hex}"
    made = await client.send(conversations.create("module-writer"))
    await client.send(conversations.set_title(made.id, f"About {word}"))
    for number in range(3):
        await client.send(messages.post(made.id, f"{word} {number}", id=uuid4()))

    async def found() -> list[str]:
        hits = await client.each(messages.search(word), page_size=2)
        assert len(hits) == 3
        return [f"{hit.conversation_title}" for hit in hits]

    assert await eventually(found) == [f"About {word}"] * 3
    titled = conversations.listing(title=word, created_from=made.created_at, order="asc")
    assert [each.id for each in await client.each(titled)] == [made.id]
    assert (await client.send(conversations.count(title=word))).total == 1
    assert (await client.send(conversations.count(title=word, created_to=made.created_at))).total == 0


async def test_a_state_is_changed_under_a_condition_and_its_versions_are_kept(client: Asks) -> None:
    id = (await client.send(conversations.create("module-writer"))).id
    first = await client.send(states.patch(id, {"step": 1}))
    second = await client.send(states.replace(id, {"step": 2}, if_match=first.etag))
    with pytest.raises(Conflict) as lost:
        await client.send(states.patch(id, {"step": 3}, if_match=first.etag))
    assert (lost.value.status, lost.value.body["data"]["version"]) == (412, second.version)
    assert await client.send(states.get(id, if_match=second.etag)) == second
    assert await client.send(states.get_changed(id, second.etag)) is None
    assert await client.send(states.get_changed(id, first.etag)) == second
    kept = await client.each(states.versions(id), page_size=1)
    assert [each.version for each in kept] == [second.version, first.version, 0]
    assert kept[0].user_id == INSTALLED
    assert (await client.send(states.version(id, first.version))).state == {"step": 1}


async def test_a_conversation_is_exported_and_imported_piece_by_piece(client: Asks) -> None:
    id = (await client.send(conversations.create("module-writer"))).id
    texts = [f"line \u2028 {number}" for number in range(50)]
    await client.send(messages.append(id, [{"role": "user", "content": text} for text in texts]))
    lines = await client.lines(transfers.export_lines(id))
    assert len(lines) == 52
    file = io.BytesIO(b"".join([b"before", *(line + b"\n" for line in lines)]))
    file.seek(len(b"before"))
    copied = await client.send(transfers.import_file(file, copy=True))
    assert (copied.messages, copied.id == id) == (50, False)
    read = await client.each(messages.listing(copied.id))
    assert [message.content for message in read] == texts


async def test_lines_that_are_cut_off_are_no_export(make: Make) -> None:
    async def cut(_: Received) -> Answer:
        return Answer(200, b'{"type":"conversation"}\n', {"Content-Type": "application/x-ndjson"})

    async with serve(cut) as proxy:
        with pytest.raises(ConnectionFailed, match="cut off"):
            await make(proxy.url).lines(transfers.export_lines(uuid4()))


async def test_agents_bases_and_quotas_are_listed(client: Asks) -> None:
    agent = await client.send(
        custom_agents.create(f"w {uuid4()}", "You write.", "gpt-5", knowledge_bases=[BASE], temperature=0.1)
    )
    assert agent.id in [each.id for each in await client.each(custom_agents.listing())]
    assert (await client.send(custom_agents.count())).total >= 1
    assert await client.each(knowledge.agents(BASE)) == [agent.id]
    conversation = await client.send(conversations.create(f"custom:{agent.id}"))
    change = custom_agents.update(agent.id, system_prompt="You read.", expected_version=agent.version)
    await client.send(change)
    with pytest.raises(Conflict):
        await client.send(change)
    versions = await client.each(custom_agents.versions(agent.id), page_size=1)
    assert [each.system_prompt for each in versions] == ["You read.", "You write."]
    assert await client.send(custom_agents.version(agent.id, 1)) == versions[1]
    assert (await client.send(conversations.agent(conversation.id))).system_prompt == "You write."
    moved = await client.send(conversations.set_agent_version(conversation.id, "2"))
    assert moved.agent_version == "2"
    await client.send(custom_agents.delete(agent.id))
    kept = await client.send(conversations.agent(conversation.id))
    assert (kept.system_prompt, kept.newest_version) == ("You read.", None)
    base = await client.send(knowledge.create(f"b-{uuid4()}", "Mine", "https://example.invalid/r.git"))
    changed = await client.send(knowledge.change(base.id, description="of mine", include=["docs/**"]))
    assert (changed.description, changed.include) == ("of mine", ["docs/**"])
    assert (await client.send(knowledge.count())).total >= 2
    asked = await client.send(knowledge.sync(base.id))
    jobs = [sync.job_id for sync in await client.each(knowledge.syncs(base.id))]
    assert asked.job_id in jobs
    assert await client.send(quotas.listing()) == []
    with pytest.raises(Forbidden):
        await client.send(quotas.set("messages", "day", hard=5, user_id="somebody"))
