"""Redacting one message."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis.asyncio import Redis

from backbone import idempotency
from backbone.idempotency import Answer, Key
from chat.conversations.use_cases import delete_conversation
from chat.feedback import use_cases as feedback
from chat.feedback.records import Feedback
from chat.messages.records import Message, NewMessage
from chat.messages.use_cases import append_messages, append_user_message
from chat.messages.wire import message_json
from chat.redaction.use_cases import redact_message
from chat.search.indexing import index_waiting
from chat.settings import ChatSettings
from common import codec
from common.ambient import joining
from common.errors import Conflict
from common.postgres import Pool, create_pool, transaction
from tests.integration.chat.conftest import NewConversation, facts, post, published
from tests.support.wait import eventually

TOOLS = [{"id": "t1", "name": "searchDocs", "result": {"success": True, "output": "secret"}}]


async def test_a_message_keeps_its_place_and_says_nothing(alice: httpx.AsyncClient, bus: Redis) -> None:
    conversation_id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    path = f"/api/conversations/{conversation_id}/messages"
    key = {"Idempotency-Key": str(uuid4())}
    first = (await alice.post(path, json={"content": "my secret"}, headers=key)).json()["data"]
    second = await post(alice, path, content="thanks")

    redacted = await post(alice, f"{path}/{first['id']}/redact")

    assert redacted == {**first, "content": "", "redactedAt": redacted["redactedAt"]}
    assert (await alice.get(path)).json()["data"] == [redacted, second]
    assert await post(alice, f"{path}/{first['id']}/redact") == redacted
    assert (await alice.post(path, json={"content": "my secret"}, headers=key)).json()["data"] == redacted
    *_, fact = await published(bus, conversation_id, 4)
    assert (fact["type"], fact["sequence"]) == ("chat.message.redacted.v1", "4")
    assert fact["data"] == {
        "conversationId": conversation_id,
        "messageId": first["id"],
        "sequence": 1,
        "redactedAt": fact["data"]["redactedAt"],
    }


async def test_only_the_owner_redacts_what_is_there(
    alice: httpx.AsyncClient, mallory: httpx.AsyncClient
) -> None:
    conversation_id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    path = f"/api/conversations/{conversation_id}/messages"
    message = await post(alice, path, content="hello")
    assert (await mallory.post(f"{path}/{message['id']}/redact")).status_code == 403
    assert (await alice.post(f"{path}/{uuid4()}/redact")).status_code == 404
    assert (await alice.post(f"{path}/x/redact")).status_code == 400
    assert (await alice.get(path)).json()["data"] == [message]


async def _holds_the_secret(pool: Pool) -> list[str]:
    """The tables with a row that contains the word, in any column."""
    names = await pool.fetch("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    look = "SELECT count(*) FROM {} AS t WHERE t::text LIKE '%secret%'"
    return sorted([row["name"] for row in names if await pool.fetchval(look.format(row["name"]))])


@pytest.mark.parametrize("indexed", [True, False])
async def test_nothing_that_is_stored_says_it_any_more(
    pool: Pool, conversation: NewConversation, indexed: bool
) -> None:
    """Tool records, feedback, the full-text index and waiting facts too."""
    conversation_id = await conversation()
    message = NewMessage(uuid4(), conversation_id, "assistant", "a secret", TOOLS, {"say": "secret"}, 12)
    async with transaction(pool) as connection:
        await append_messages(connection, [message])
    rated = Feedback("alice", "down", "told my secret")
    await feedback.give_feedback(pool, conversation_id, message.id, rated)
    if indexed:
        await index_waiting(pool)
    assert await _holds_the_secret(pool) == (
        ["message_search", "messages", "outbox"] if indexed else ["messages", "outbox"]
    )

    await redact_message(pool, "alice", conversation_id, message.id)
    await index_waiting(pool)

    assert await _holds_the_secret(pool) == []
    appended, given, redacted = await facts(pool, conversation_id)
    assert (appended[2]["content"], appended[2]["tokenCount"]) == ("", 12)
    assert (given[2]["rating"], redacted[1]) == ("down", "chat.message.redacted.v1")
    with pytest.raises(Conflict):
        await feedback.give_feedback(pool, conversation_id, message.id, rated)


async def test_a_repeated_command_brings_nothing_back(pool: Pool, conversation: NewConversation) -> None:
    """It is no other message with the same id either, whose dead letter would show the content."""
    conversation_id = await conversation()
    message = NewMessage(uuid4(), conversation_id, "user", "a secret")

    async def append() -> list[Any]:
        async with transaction(pool) as connection:
            return list(await append_messages(connection, [message]))

    await append()
    await redact_message(pool, "alice", conversation_id, message.id)
    assert await append() == [None]
    assert await _holds_the_secret(pool) == []


async def test_an_answer_that_is_being_kept_meanwhile_says_nothing_either(
    pool: Pool, database: str, conversation: NewConversation
) -> None:
    """A message with the caller's own id is sent again with a key, while it is redacted."""
    conversation_id, message_id = await conversation(), uuid4()
    own = await create_pool(ChatSettings(database_url=database, auth_mode="dev"))

    async def send() -> Message:
        return await append_user_message(own, "alice", conversation_id, "a secret", message_id=message_id)

    await send()
    async with own, transaction(own) as connection:
        with joining(own, connection):
            answer = codec.dumps({"data": message_json(str(conversation_id), await send())})
        redaction = asyncio.create_task(redact_message(pool, "alice", conversation_id, message_id))

        async def met() -> bool:
            return redaction.done() or await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")

        await eventually(met)
        key = Key("chat", "alice", "k")
        await idempotency.upsert_answer(connection, key, Answer(b"digest", 200, [], answer))
    redacted = await redaction
    kept = await pool.fetchval("SELECT body FROM idempotency_keys WHERE key = 'k'")
    assert codec.loads(kept) == {"data": dict(message_json(str(conversation_id), redacted))}


async def test_every_answer_that_repeats_it_is_kept_without_it(alice: httpx.AsyncClient) -> None:
    """Those to bulks and replacements too."""
    conversation_id = (await post(alice, "/api/conversations", agentId="module-writer"))["id"]
    path = f"/api/conversations/{conversation_id}/messages"

    async def send(key: str, path: str, body: dict[str, Any]) -> Any:
        return (await alice.post(path, json=body, headers={"Idempotency-Key": key})).json()["data"]

    bulk = {"messages": [{"role": "user", "content": text} for text in ("one", "secret one", "two")]}
    bulk_answer = await send("bulk", f"{path}/bulk", bulk)
    replacement = {"content": "secret two"}
    replaced = await send("replace", f"{path}/{bulk_answer[2]['id']}/replace", replacement)
    for message in (bulk_answer[1], replaced["message"]):
        await post(alice, f"{path}/{message['id']}/redact")
    answers = [
        await send("bulk", f"{path}/bulk", bulk),
        await send("replace", f"{path}/{bulk_answer[2]['id']}/replace", replacement),
    ]
    assert "secret" not in str(answers)
    assert [m["id"] for m in answers[0]] == [m["id"] for m in bulk_answer]
    assert answers[1]["message"]["redactedAt"]


async def test_a_deletion_leaves_nothing(pool: Pool, conversation: NewConversation) -> None:
    conversation_id: UUID = await conversation()
    await append_user_message(pool, "alice", conversation_id, "a secret")
    await index_waiting(pool)
    await delete_conversation(pool, "alice", conversation_id)
    assert await _holds_the_secret(pool) in ([], ["outbox"])
    assert await pool.fetchval("SELECT count(*) FROM message_search") == 0
