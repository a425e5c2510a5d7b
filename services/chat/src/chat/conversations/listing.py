"""How a user's conversations are listed: in pages, each a short statement, without large states."""

from collections.abc import AsyncGenerator

from chat.agents.rules import parse
from chat.conversations import listing_repository as repository
from chat.conversations.records import Conversation, ConversationFilter, Position
from common.postgres import Pool
from servicekit.keysets import Page

PAGE_CONVERSATIONS = 50
"""At most 32 KiB of each: 1.6 MB."""


async def list_conversations(
    pool: Pool, user_id: str, page: Page[Position], wanted: ConversationFilter
) -> AsyncGenerator[list[Conversation], None]:
    """A user's conversations by the time of their creation, in pages, and one more than ``page`` wants. No
    connection is held between pages.

    A conversation that is deleted before its page is read is left out.
    """
    read = repository.list_newest if page.descending else repository.list_oldest
    after = page.after
    for size in page.sizes(PAGE_CONVERSATIONS):
        async with pool.acquire() as connection:
            found = await read(connection, user_id, wanted, after, size)
        if found:
            yield found
            after = position_by_creation(found[-1])
        if len(found) < size:
            return


async def count_conversations(pool: Pool, user_id: str, wanted: ConversationFilter, limit: int) -> int:
    """How many of a user's conversations match; counting ends at ``limit``."""
    async with pool.acquire() as connection:
        return await repository.count_conversations(connection, user_id, wanted, limit)


async def list_by_agent(
    pool: Pool, user_id: str, agent: str, page: Page[Position]
) -> AsyncGenerator[list[Conversation], None]:
    """A user's conversations with an agent, by their last activity, and one more than ``page`` wants; of one
    version when ``agent`` names it.

    Raises :class:`common.errors.Invalid` for a name that no agent can have.
    """
    ref = parse(agent)
    read = repository.list_last_active if page.descending else repository.list_longest_idle
    assert page.rows is not None, "this list has a limit always"
    async with pool.acquire() as connection:
        yield await read(connection, user_id, ref.agent_id, ref.version, page.after, page.rows)


def position_by_creation(conversation: Conversation) -> Position:
    """The key of a conversation in the list of all."""
    return conversation.created_at, conversation.id


def position_by_activity(conversation: Conversation) -> Position:
    """The key of a conversation in the list of an agent's."""
    return conversation.updated_at, conversation.id
