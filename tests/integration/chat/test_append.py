"""Appending set-wise: one effect for each id, one fact for each effect, no gap in the sequence."""

from datetime import datetime
from uuid import UUID, uuid4

from chat.conversations.use_cases import delete_conversations
from chat.messages.records import NewMessage, Placed
from chat.messages.use_cases import append_messages
from common.errors import Conflict, NotFound, PermanentError
from common.postgres import Pool, transaction
from tests.integration.chat.conftest import NewConversation, facts


async def append(pool: Pool, *messages: NewMessage) -> list[Placed | PermanentError | None]:
    async with transaction(pool) as connection:
        return await append_messages(connection, messages)


def message(conversation_id: UUID, content: str, id: UUID | None = None) -> NewMessage:
    return NewMessage(
        id or uuid4(),
        conversation_id,
        "assistant",
        content,
        [{"id": "t1", "input": {"n": 1e2, "b": True}}],
        {"z": 1, "a": [1.0]},
        12,
        30,
        "grok",
    )


async def test_each_message_has_its_fact_with_the_next_sequence(
    pool: Pool, conversation: NewConversation
) -> None:
    first, second = await conversation(), await conversation()
    await append(pool, message(first, "a"), message(second, "b"), message(first, "c"))
    await append(pool, message(first, "d"))
    told = await facts(pool, first)
    assert [(sequence, kind) for sequence, kind, _ in told] == [
        (1, "chat.message.appended.v1"),
        (2, "chat.message.appended.v1"),
        (3, "chat.message.appended.v1"),
    ]
    assert [data["content"] for _, _, data in told] == ["a", "c", "d"]
    assert [sequence for sequence, _, _ in await facts(pool, second)] == [1]
    stored = await pool.fetchrow("SELECT * FROM messages WHERE content = 'a'")
    assert stored is not None
    _, _, data = told[0]
    assert data["messageId"] == str(stored["id"])
    assert data["toolCalls"] == stored["tool_calls"] == [{"id": "t1", "input": {"n": 100, "b": True}}]
    assert (data["tokenCount"], data["latencyMs"], data["model"]) == (12, 30, "grok")
    assert data["createdAt"] == stored["created_at"].isoformat().replace("+00:00", "Z")


async def test_the_very_same_message_again_does_nothing(pool: Pool, conversation: NewConversation) -> None:
    conversation_id = await conversation()
    one = message(conversation_id, "once")
    [placed] = await append(pool, one)
    assert isinstance(placed, Placed)
    before = await pool.fetchrow("SELECT * FROM conversations WHERE id = $1", conversation_id)
    again = await append(pool, one, one)
    assert again == [None, None]
    assert await pool.fetchrow("SELECT * FROM conversations WHERE id = $1", conversation_id) == before
    assert len(await facts(pool, conversation_id)) == 1


async def test_twice_in_one_batch_is_stored_once_without_a_gap(
    pool: Pool, conversation: NewConversation
) -> None:
    conversation_id = await conversation()
    twice = message(conversation_id, "twice")
    outcomes = await append(
        pool, twice, message(conversation_id, "between"), twice, message(conversation_id, "z")
    )
    assert [type(outcome) for outcome in outcomes] == [Placed, Placed, type(None), Placed]
    told = await facts(pool, conversation_id)
    assert [(sequence, data["content"]) for sequence, _, data in told] == [
        (1, "twice"),
        (2, "between"),
        (3, "z"),
    ]


async def test_an_id_with_other_content_is_rejected(pool: Pool, conversation: NewConversation) -> None:
    first, second = await conversation(), await conversation()
    one = message(first, "original")
    await append(pool, one)
    outcomes = await append(
        pool, message(first, "forged", one.id), message(second, "original", one.id), message(first, "fresh")
    )
    assert [getattr(outcome, "code", None) for outcome in outcomes] == ["id_reused", "id_reused", None]
    assert isinstance(outcomes[0], Conflict)
    assert isinstance(outcomes[2], Placed)
    assert await pool.fetchval("SELECT content FROM messages WHERE id = $1", one.id) == "original"
    assert [data["content"] for _, _, data in await facts(pool, first)] == ["original", "fresh"]


async def test_one_id_for_two_contents_in_one_batch_keeps_the_first(
    pool: Pool, conversation: NewConversation
) -> None:
    conversation_id, id = await conversation(), uuid4()
    outcomes = await append(
        pool, message(conversation_id, "first", id), message(conversation_id, "second", id)
    )
    assert isinstance(outcomes[0], Placed)
    assert isinstance(outcomes[1], Conflict)
    assert await pool.fetchval("SELECT content FROM messages WHERE id = $1", id) == "first"


async def test_an_unknown_conversation_holds_up_nobody(pool: Pool, conversation: NewConversation) -> None:
    conversation_id = await conversation()
    outcomes = await append(pool, message(uuid4(), "lost"), message(conversation_id, "kept"))
    assert isinstance(outcomes[0], NotFound)
    assert isinstance(outcomes[1], Placed)


async def test_a_message_moves_its_conversation_up(pool: Pool, conversation: NewConversation) -> None:
    conversation_id = await conversation()
    [placed] = await append(pool, message(conversation_id, "hi"))
    assert isinstance(placed, Placed)
    updated = await pool.fetchval("SELECT updated_at FROM conversations WHERE id = $1", conversation_id)
    assert updated == datetime.fromisoformat(placed.created_at)


async def test_a_delete_takes_messages_and_cockpit_sessions_along(
    pool: Pool, conversation: NewConversation
) -> None:
    conversation_id, other = await conversation(), await conversation()
    await append(pool, message(conversation_id, "gone"), message(other, "stays"))
    for id in (conversation_id, other):
        await pool.execute("INSERT INTO cockpit_sessions (conversation_id, user_id) VALUES ($1, 'alice')", id)
    async with transaction(pool) as connection:
        outcomes = await delete_conversations(
            connection, [(conversation_id, None), (conversation_id, None), (uuid4(), None)]
        )
    assert outcomes[0] is None
    assert [type(outcome) for outcome in outcomes[1:]] == [NotFound, NotFound]
    assert (
        await pool.fetchval("SELECT count(*) FROM messages WHERE conversation_id = $1", conversation_id) == 0
    )
    assert await pool.fetchval("SELECT array_agg(conversation_id) FROM cockpit_sessions") == [other]
    told = await facts(pool, conversation_id)
    assert [(sequence, kind) for sequence, kind, _ in told] == [
        (1, "chat.message.appended.v1"),
        (2, "chat.conversation.deleted.v1"),
    ]
    assert told[1][2] == {"conversationId": str(conversation_id), "userId": "alice"}
