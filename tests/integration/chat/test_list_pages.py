"""The pages that lists are read in, put together, are the whole list in its order."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

from backbone import inbox
from chat.conversations import listing
from chat.conversations import use_cases as conversation_use_cases
from chat.conversations.listing import list_conversations
from chat.conversations.records import ConversationFilter
from chat.custom_agents.records import Limits
from chat.custom_agents.use_cases import list_agents, update_agent
from chat.messages import use_cases
from chat.messages.use_cases import list_messages
from common.errors import Conflict, TooLarge
from common.postgres import Pool
from servicekit.keysets import Page
from tests.integration.chat.conftest import NewConversation

T = TypeVar("T")

ALL: Page[Any] = Page(None, "desc", None)
ANY = ConversationFilter()

MIXED_TIMES = """
INSERT INTO messages (conversation_id, role, content, created_at)
SELECT $1, 'user', n::text, '2026-01-01'::timestamptz - (n % 7) * interval '1 h' FROM generate_series(1, 60) n
"""


async def together(pages: AsyncIterator[Sequence[T]]) -> list[T]:
    return [item async for page in pages for item in page]


async def mixed(pool: Pool, conversation_id: UUID) -> list[UUID]:
    """Messages of equal, earlier and unknown times, and their ids in the order in which they came."""
    await pool.execute(MIXED_TIMES, conversation_id)
    await pool.execute("UPDATE messages SET created_at = NULL WHERE content::int % 5 = 0")
    rows = await pool.fetch(
        "SELECT id FROM messages WHERE conversation_id = $1 ORDER BY content::int", conversation_id
    )
    return [row["id"] for row in rows]


@pytest.mark.parametrize("size", [1, 7, 59, 60, 61, 500])
async def test_messages_keep_their_order_over_pages(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    id, other = await conversation(), await conversation()
    await pool.execute(MIXED_TIMES, other)
    expected = await mixed(pool, id)
    monkeypatch.setattr(use_cases, "PAGE_MESSAGES", size)
    messages = await together(list_messages(pool, "alice", id))
    assert [message.id for message in messages] == [str(each) for each in expected]


async def test_messages_that_come_after_the_request_are_on_no_page(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await conversation()
    monkeypatch.setattr(use_cases, "PAGE_MESSAGES", 10)
    await pool.execute(MIXED_TIMES, id)
    pages = list_messages(pool, "alice", id)
    first = await anext(pages)
    await pool.execute(
        "INSERT INTO messages (conversation_id, role, content) VALUES ($1, 'user', 'late')", id
    )
    messages = [*first, *await together(pages)]
    assert sorted(int(message.content) for message in messages) == list(range(1, 61))


async def test_a_page_of_messages_is_bounded_in_bytes(pool: Pool, conversation: NewConversation) -> None:
    id = await conversation()
    insert = "INSERT INTO messages (conversation_id, role, content, tool_calls) VALUES ($1, 'tool', $2, $3)"
    for _ in range(7):
        await pool.execute(insert, id, "x" * 200_000, ["y" * 200_000])  # compresses to next to nothing
    pages = [len(page) async for page in list_messages(pool, "alice", id)]
    assert pages == [3, 3, 1]


async def test_messages_that_vanish_are_no_shorter_list(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await conversation()
    monkeypatch.setattr(use_cases, "PAGE_MESSAGES", 20)
    await mixed(pool, id)
    pages = list_messages(pool, "alice", id)
    await anext(pages)
    await pool.execute("DELETE FROM conversations WHERE id = $1", id)
    with pytest.raises(Conflict):
        await anext(pages)


async def test_no_connection_is_held_between_pages(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await conversation()
    await mixed(pool, id)
    monkeypatch.setattr(use_cases, "PAGE_MESSAGES", 10)
    async for _ in list_messages(pool, "alice", id):
        assert pool.get_idle_size() == pool.get_size()
    async for _ in list_conversations(pool, "alice", ALL, ANY):
        assert pool.get_idle_size() == pool.get_size()


@pytest.mark.parametrize("size", [1, 50, 51, 130, 1_000])
async def test_conversations_keep_their_order_over_pages(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(listing, "PAGE_CONVERSATIONS", size)
    await pool.execute(
        """
        INSERT INTO conversations (agent_id, agent_version, user_id, created_at)
        SELECT 'module-writer', 'v', u,
               CASE WHEN n % 5 > 0 THEN '2026-01-01'::timestamptz + n % 7 * interval '1 h' END
        FROM generate_series(1, 130) n, unnest('{alice,bob}'::text[]) u
        """
    )
    rows = await pool.fetch(
        "SELECT id FROM conversations WHERE user_id = 'alice' ORDER BY created_at DESC, id DESC"
    )
    listed = await together(list_conversations(pool, "alice", ALL, ANY))
    assert [conversation.id for conversation in listed] == [row["id"] for row in rows]


async def test_a_conversation_deleted_during_its_list_is_left_out(
    pool: Pool, conversation: NewConversation
) -> None:
    ids = [await conversation() for _ in range(120)]
    pages = list_conversations(pool, "alice", ALL, ANY)
    first = await anext(pages)
    await pool.execute("DELETE FROM conversations WHERE id = ANY($1)", ids[:1])
    rest = await together(pages)
    assert [c.id for c in [*first, *rest]] == ids[:0:-1]


@pytest.mark.parametrize("count", [0, 9, 10, 25])
async def test_all_messages_of_deleted_conversations_are_remembered_in_pages(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    doomed = [await conversation(), await conversation()]
    insert = "INSERT INTO messages (id, conversation_id, role, content) VALUES ($1, $2, 'user', 'x')"
    ids = [uuid4() for _ in range(count)]
    for i, id in enumerate(ids):
        await pool.execute(insert, id, doomed[i % 2])
    sizes: list[int] = []
    remember = inbox.remember

    async def counted(*args: Any) -> None:
        sizes.append(len(args[-1]))
        await remember(*args)

    monkeypatch.setattr(conversation_use_cases, "REMEMBERED_AT_ONCE", 10)
    monkeypatch.setattr(inbox, "remember", counted)
    async with pool.acquire() as connection, connection.transaction():
        await conversation_use_cases.delete_conversations(connection, [(id, None) for id in doomed])
    assert {row["key"] for row in await pool.fetch("SELECT key FROM inbox")} == set(ids)
    assert max(sizes, default=0) <= 10


async def test_an_adopted_custom_agent_that_is_too_large_may_become_smaller_and_all_are_listed(
    pool: Pool,
) -> None:
    await pool.execute(
        """
        INSERT INTO custom_agents (user_id, name, system_prompt, model, created_at)
        SELECT 'alice', n, repeat('p', 5000), 'm', '2026-01-01'::timestamptz + n % 3 * interval '1 h'
        FROM generate_series(1, 25) n
        """
    )
    rows = await pool.fetch("SELECT id FROM custom_agents ORDER BY created_at DESC, id DESC")
    agents = await together(list_agents(pool, "alice", ALL))
    assert [agent.id for agent in agents] == [row["id"] for row in rows]
    limits = Limits(agents=10, agent_bytes=1_000)
    for length, allowed in ((5_000, False), (4_000, True), (4_001, False)):
        change = partial(replace, system_prompt="q" * length)
        if allowed:
            await update_agent(pool, "alice", agents[0].id, change, limits)
        else:
            with pytest.raises(TooLarge):
                await update_agent(pool, "alice", agents[0].id, change, limits)
