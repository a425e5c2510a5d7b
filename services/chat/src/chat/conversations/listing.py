"""How a user's conversations are listed: in pages, each a short statement, without large states."""

from collections.abc import AsyncGenerator

from chat.agents.rules import parse
from chat.conversations import listing_repository as repository
from chat.conversations.records import Conversation
from common.postgres import Pool

PAGE_CONVERSATIONS = 50
"""At most 32 KiB of each: 1.6 MB."""
WINDOW_CONVERSATIONS = 50_000
"""Conversations whose positions are read at once."""


async def list_conversations(
    pool: Pool, user_id: str, *, window: int = WINDOW_CONVERSATIONS
) -> AsyncGenerator[list[Conversation], None]:
    """All of a user's conversations, newest first, in pages. No connection is held between pages.

    A conversation that is deleted before its page is read is left out.
    """
    last: Conversation | None = None
    while True:
        async with pool.acquire() as connection:
            ids = await repository.list_conversation_ids(connection, user_id, window, last)
        found = False
        for part in ids.parts(PAGE_CONVERSATIONS):
            async with pool.acquire() as connection:
                page = await repository.list_conversations(connection, part)
            if page:
                found, last = True, page[-1]
                yield page
        if len(ids) < window or not found:
            return


async def list_by_agent(pool: Pool, user_id: str, agent: str, limit: int) -> list[Conversation]:
    """A user's conversations with an agent, last active first; of one version when ``agent`` names it.

    Raises :class:`common.errors.Invalid` for a name that no agent can have.
    """
    ref = parse(agent)
    async with pool.acquire() as connection:
        return await repository.list_conversations_by_agent(
            connection, user_id, ref.agent_id, ref.version, limit
        )
