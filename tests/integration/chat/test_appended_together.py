"""Messages that are posted at the same time are committed together, and each is answered for itself."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from chat.announcements import repository as announcements
from chat.announcements.records import AnnouncedAgent
from chat.announcements.served import ServedAgents
from chat.messages import repository
from chat.messages.records import Message
from chat.messages.use_cases import append_user_message, create_appends
from common import codec
from common.errors import Forbidden, NotFound
from common.postgres import Pool, transaction
from common.trace_context import TraceContext, continuing
from contracts.chat import MessageAppended
from tests.integration.chat.conftest import NewConversation


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each statement was asked to insert."""
    sizes: list[int] = []
    insert = repository.insert_few_messages

    async def counted(connection: Any, messages: Any, *rest: Any) -> Any:
        sizes.append(len(messages))
        return await insert(connection, messages, *rest)

    monkeypatch.setattr(repository, "insert_few_messages", counted)
    return sizes


async def test_each_gets_its_place_its_fact_and_its_trace(
    pool: Pool, conversation: NewConversation, statements: list[int]
) -> None:
    conversations = [await conversation() for _ in range(3)]
    appends = create_appends()
    traces = [TraceContext(f"00-{uuid4().hex}-00f067aa0ba902b7-00") for _ in range(30)]

    async def post(place: int) -> Message:
        with continuing(traces[place]):
            return await append_user_message(
                pool, "alice", conversations[place % 3], str(place), appends=appends
            )

    messages = await asyncio.gather(*(post(place) for place in range(30)))
    assert len(statements) < 30
    assert sum(statements) == 30
    for which, conversation_id in enumerate(conversations):
        mine = messages[which::3]
        assert [message.sequence for message in mine] == list(range(1, 11))
        facts = await pool.fetch(
            "SELECT sequence, traceparent, data FROM outbox WHERE subject = $1 ORDER BY position",
            str(conversation_id),
        )
        assert [fact["sequence"] for fact in facts] == list(range(1, 11))
        for message, fact, trace in zip(mine, facts, traces[which::3], strict=True):
            assert fact["traceparent"] == trace.traceparent
            told = MessageAppended.model_validate_json(fact["data"])
            assert told == MessageAppended(
                message_id=UUID(message.id),
                conversation_id=conversation_id,
                role="user",
                content=message.content,
                created_at=message.created_at,
                sequence=message.sequence,
            )
            assert set(codec.loads(fact["data"])) == {
                "messageId", "conversationId", "role", "content", "createdAt", "sequence"
            }  # fmt: skip


async def test_what_is_refused_disturbs_nobody(pool: Pool, conversation: NewConversation) -> None:
    mine = await conversation()
    appends = create_appends()

    def post(user: str, conversation_id: UUID) -> Any:
        return append_user_message(pool, user, conversation_id, "hi", appends=appends)

    outcomes = await asyncio.gather(
        *(post("alice", mine) for _ in range(5)),
        *(post("eve", mine) for _ in range(5)),
        *(post("alice", uuid4()) for _ in range(5)),
        return_exceptions=True,
    )
    assert Counter(type(outcome) for outcome in outcomes) == {Message: 5, Forbidden: 5, NotFound: 5}
    rows = await pool.fetch("SELECT sequence FROM messages WHERE conversation_id = $1 ORDER BY 1", mine)
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5]
    assert await pool.fetchval("SELECT count(*) FROM outbox WHERE subject = $1", str(mine)) == 5


async def test_who_waits_for_a_locked_conversation_waits_alone(
    pool: Pool, conversation: NewConversation, statements: list[int]
) -> None:
    locked, free = await conversation(), await conversation()
    appends = create_appends()
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM conversations WHERE id = $1 FOR UPDATE", locked)
        waiting = asyncio.create_task(append_user_message(pool, "alice", locked, "1", appends=appends))
        done = await asyncio.gather(
            *(append_user_message(pool, "alice", free, str(n), appends=appends) for n in range(3))
        )
        assert sorted(message.sequence for message in done) == [1, 2, 3]
        assert not waiting.done()
        assert statements[0] == 4
        later = await append_user_message(pool, "alice", free, "later", appends=appends)
        assert later.sequence == 4
    assert (await waiting).sequence == 1


async def test_a_message_asks_for_a_turn_although_its_process_has_not_looked_who_is_served(
    pool: Pool, conversation: NewConversation
) -> None:
    """As just after a start, or after an outage for longer than the announcements last."""
    agent = AnnouncedAgent("module-writer", "grok-fast", 0, "m", "d")
    async with transaction(pool) as connection:
        await announcements.upsert_agents(connection, [(agent, 60)])
    id = await conversation("ann")
    await append_user_message(pool, "ann", id, "hi", appends=create_appends(ServedAgents()))
    assert [row["state"] for row in await pool.fetch("SELECT state FROM chat_turns")] == ["requested"]
