"""Conversations are deleted some days after their last activity, and none before."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from backbone.leases import Lease, LeaseLost, held, revoke
from chat.messages.records import NewMessage
from chat.messages.use_cases import append_messages
from chat.retention import use_cases
from chat.retention.records import Retention
from common.postgres import Pool, transaction
from tests.integration.chat.conftest import NewConversation, facts, node_message

MONTH = Retention(30, {})
AGE = """
UPDATE conversations SET created_at = now() - $2::interval, updated_at = now() - $2::interval,
                         last_message_at = last_message_at - $2::interval
WHERE id = $1
"""
AGE_MESSAGES = "UPDATE messages SET created_at = created_at - $2::interval WHERE conversation_id = $1"


async def age(pool: Pool, conversation_id: UUID, days: int) -> UUID:
    """Let everything about a conversation be older."""
    await pool.execute(AGE, conversation_id, timedelta(days=days))
    await pool.execute(AGE_MESSAGES, conversation_id, timedelta(days=days))
    return conversation_id


async def left(pool: Pool) -> set[UUID]:
    return {row["id"] for row in await pool.fetch("SELECT id FROM conversations")}


@pytest_asyncio.fixture
async def lease(pool: Pool) -> AsyncIterator[Lease]:
    async with held(pool, "chat.retention", "test", 60) as holding:
        yield holding.lease


async def test_what_is_older_than_its_agents_retention_is_deleted_as_its_user_would(
    pool: Pool, conversation: NewConversation, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(use_cases, "LOOKED_AT_ONCE", 2)  # several steps
    custom, named = f"custom:{uuid4()}", f"custom:{uuid4()}"
    retention = Retention(30, {"player-moderator": 10, "kept": None, "custom": 5, named: 60})
    old = [
        await age(pool, await conversation(agent=agent), days)
        for agent, days in [("module-writer", 31), ("player-moderator", 11), (custom, 6), (named, 61)]
    ]
    await node_message(pool, old[0], "x")
    await age(pool, old[0], 31)
    young = {
        await age(pool, await conversation(agent=agent), days)
        for agent, days in [
            ("module-writer", 29),
            ("player-moderator", 9),
            ("kept", 4000),
            (custom, 4),
            (named, 59),
        ]
    }
    assert await use_cases.go_through(pool, retention, lease, dry_run=True) == (4, 0)
    assert await left(pool) == young | set(old)
    assert await use_cases.go_through(pool, retention, lease, dry_run=False) == (4, 4)
    assert await left(pool) == young
    for conversation_id in old:
        assert [type for _, type, _ in await facts(pool, conversation_id)] == ["chat.conversation.deleted.v1"]
    assert await use_cases.go_through(pool, retention, lease, dry_run=False) == (0, 0)


async def test_any_activity_keeps_a_conversation(
    pool: Pool, conversation: NewConversation, lease: Lease
) -> None:
    ours, nodes, titled, legacy, unknown = [await age(pool, await conversation(), 40) for _ in range(5)]
    async with transaction(pool) as connection:
        await append_messages(connection, [NewMessage(uuid4(), ours, "user", "x")])
    await node_message(pool, nodes, "x")
    await pool.execute("UPDATE conversations SET updated_at = now() WHERE id = $1", titled)
    # As before migration 014: the message left no time at its conversation.
    await node_message(pool, legacy, "x")
    await pool.execute("UPDATE conversations SET last_message_at = NULL WHERE id = $1", legacy)
    await pool.execute(
        "UPDATE conversations SET updated_at = created_at WHERE id = ANY($1)", [ours, nodes, legacy]
    )
    await pool.execute(
        "UPDATE conversations SET created_at = NULL, updated_at = NULL, last_message_at = NULL WHERE id = $1",
        unknown,
    )
    assert await use_cases.go_through(pool, MONTH, lease, dry_run=False) == (0, 0)
    assert await left(pool) == {ours, nodes, titled, legacy, unknown}


async def test_what_is_due_is_decided_when_its_row_is_locked(
    pool: Pool, conversation: NewConversation, lease: Lease
) -> None:
    """A message that came meanwhile keeps the conversation; one that is being worked on isn't waited for."""
    answered, busy, due = [await age(pool, await conversation(), 40) for _ in range(3)]
    async with transaction(pool) as connection:
        await append_messages(connection, [NewMessage(uuid4(), answered, "user", "x")])
    async with transaction(pool) as connection:
        await connection.execute("SELECT FROM conversations WHERE id = $1 FOR NO KEY UPDATE", busy)
        assert await use_cases.delete_due(pool, MONTH, lease, [answered, busy, due]) == 1
    assert await left(pool) == {answered, busy}
    assert await use_cases.go_through(pool, MONTH, lease, dry_run=False) == (1, 1)


async def test_a_process_that_lost_its_lease_deletes_nothing(
    pool: Pool, conversation: NewConversation, lease: Lease
) -> None:
    due = await age(pool, await conversation(), 40)
    async with pool.acquire() as connection:
        await revoke(connection, lease.name)
    with pytest.raises(LeaseLost):
        await use_cases.go_through(pool, MONTH, lease, dry_run=False)
    assert await left(pool) == {due}
