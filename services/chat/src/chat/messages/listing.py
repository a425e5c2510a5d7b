"""How a conversation's messages are listed: in pages, each a short statement of bounded size."""

from collections.abc import AsyncGenerator
from uuid import UUID

from chat.conversations.use_cases import check_owner
from chat.messages import listing_repository as repository
from chat.messages.records import Message
from chat.messages.use_cases import PAGE_BYTES, PAGE_MESSAGES
from common.postgres import Pool
from servicekit.keysets import Page

_BEGINNING, _END = 0, 2**63 - 1


async def list_page(
    pool: Pool, user_id: str, conversation_id: UUID, page: Page[tuple[int, ...]]
) -> AsyncGenerator[list[Message], None]:
    """A conversation's messages in order, or backwards, in pages, and one more than ``page`` wants.

    No connection is held between pages. Raises as :func:`check_owner` before the first one.
    """
    read = repository.list_before if page.descending else repository.list_after
    (last,) = page.after or (_END if page.descending else _BEGINNING,)
    left = page.rows
    async with pool.acquire() as connection:
        await check_owner(connection, user_id, conversation_id)
        found = await read(connection, conversation_id, last, _size(left), PAGE_BYTES)
    while found:
        yield found
        last = found[-1].sequence
        left = None if left is None else left - len(found)
        if left == 0:
            return
        async with pool.acquire() as connection:
            found = await read(connection, conversation_id, last, _size(left), PAGE_BYTES)


def _size(left: int | None) -> int:
    return PAGE_MESSAGES if left is None else min(left, PAGE_MESSAGES)


async def count_messages(pool: Pool, user_id: str, conversation_id: UUID, limit: int) -> int:
    """How many messages a conversation has; counting ends at ``limit``. Raises as :func:`check_owner`."""
    async with pool.acquire() as connection:
        await check_owner(connection, user_id, conversation_id)
        return await repository.count_messages(connection, conversation_id, limit)


def place(message: Message) -> tuple[int, ...]:
    """The key of a message in the list of its conversation's."""
    return (message.sequence,)
