"""What concerns a conversation is found by its id, although a command names it in its data alone."""

from typing import Any

import pytest
from redis.asyncio import Redis

from tests.integration.cli.terminal import Terminal

CONVERSATION = "4f8e0c1a-7a52-4f0f-9d2b-3f1f8a3a9c55"
OTHER = "11111111-7a52-4f0f-9d2b-3f1f8a3a9c55"


@pytest.fixture
async def sent(redis: Redis) -> list[str]:
    """Entry ids of two commands about the conversation and of one about another, sent as the README shows."""
    ids = []
    for conversation, content in ((CONVERSATION, "hi"), (CONVERSATION, OTHER), (OTHER, "hi")):
        fields: dict[Any, Any] = {
            "type": "chat.message.append.v1",
            "data": f'{{"conversationId":"{conversation}","role":"user","content":"{content}"}}',
        }
        ids.append(str(await redis.xadd("chat.commands", fields)))
        await redis.xadd("chat.commands.dead", {**fields, "dead-stream": "chat.commands", "dead-id": ids[-1]})
    return ids


async def test_dead_letters_are_found_by_their_conversation(sent: list[str], takaro: Terminal) -> None:
    found = await takaro("dead", "list", "--subject", CONVERSATION, "--json")
    assert [line["originalEntryId"] for line in found.lines] == sent[:2]


async def test_events_are_followed_by_their_conversation(sent: list[str], takaro: Terminal) -> None:
    found = await takaro(
        "events", "tail", "chat.commands", "--no-follow", "--subject", CONVERSATION, "--json"
    )
    assert [line["entryId"] for line in found.lines] == sent[:2]


async def test_a_conversation_tells_all_its_events(redis: Redis, sent: list[str], takaro: Terminal) -> None:
    fact: dict[Any, Any] = {
        "id": "f",
        "source": "/takaro/chat",
        "type": "chat.message.appended.v1",
        "subject": CONVERSATION,
        "sequence": "1",
        "data": "{}",
    }
    await redis.xadd("chat.events", fact)
    await redis.xgroup_create("chat.commands", "chat", id=sent[0])
    found = (await takaro("event", CONVERSATION, "--json")).json
    assert [entry["entryId"] for entry in found["commands"]] == sent[:2]
    assert [letter["originalEntryId"] for letter in found["deadLetters"]] == sent[:2]
    assert [entry["id"] for entry in found["facts"]] == ["f"]
    assert [(there["entryId"], there["state"]) for there in found["deliveries"]] == [
        (sent[0], "acknowledged"),
        (sent[1], "unread"),
    ]
    text = (await takaro("event", CONVERSATION)).out
    for part in (*sent[:2], "chat.message.appended.v1", "group chat: unread"):
        assert part in text
    assert f"chat.commands {sent[2]}" not in text  # a dead letter may have the same number


async def test_an_event_alone_is_what_its_own_id_tells(sent: list[str], takaro: Terminal) -> None:
    found = (await takaro("event", sent[2], "--json")).json
    assert [entry["entryId"] for entry in found["entries"]] == [sent[2]]
    assert found["commands"] == []
