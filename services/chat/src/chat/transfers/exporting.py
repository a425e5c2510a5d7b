"""Exporting a conversation: each page of messages after the client has taken the one before."""

from collections.abc import AsyncGenerator
from uuid import UUID

from chat.conversations.rules import not_found
from chat.messages import listing_repository
from chat.messages.use_cases import PAGE_BYTES, PAGE_MESSAGES
from chat.states.records import Limits
from chat.transfers import repository, versions_repository
from chat.transfers.lines import conversation_line, end_line, message_line, state_version_line
from common.errors import Conflict, Forbidden
from common.postgres import Pool


async def export_conversation(
    pool: Pool, user_id: str, conversation_id: UUID, states: Limits, *, state_history: bool = True
) -> AsyncGenerator[bytes, None]:
    """A conversation with the versions of its state and the messages that it has now, as JSON Lines. No
    connection is held between pages. ``states`` says which versions are kept.

    Raises as :func:`check_owner` before the first line, and :class:`Conflict` if messages are deleted
    meanwhile: then the end is missing.
    """
    async with pool.acquire() as connection:
        conversation = await repository.get_conversation(connection, conversation_id)
    if conversation is None:
        raise not_found()
    if conversation.user_id != user_id:
        raise Forbidden
    yield conversation_line(conversation)
    if state_history:
        async for lines in _state_versions(pool, conversation_id, states, conversation.state_version):
            yield lines
    last, count = 0, 0
    while last < conversation.last_sequence:
        async with pool.acquire() as connection:
            page = await listing_repository.list_after(
                connection, conversation_id, last, PAGE_MESSAGES, PAGE_BYTES
            )
        page = [message for message in page if message.sequence <= conversation.last_sequence]
        if not page:
            raise Conflict("Messages were deleted while they were read", code="messages_gone")
        last, count = page[-1].sequence, count + len(page)
        yield b"".join(map(message_line, page))
    yield end_line(count)


async def _state_versions(
    pool: Pool, conversation_id: UUID, limits: Limits, until: int
) -> AsyncGenerator[bytes, None]:
    after = -1
    while after < until:
        async with pool.acquire() as connection:
            page = await versions_repository.list_versions(
                connection, conversation_id, limits, after, until, PAGE_BYTES
            )
        if not page:
            return
        after = page[-1].about.version
        yield b"".join(map(state_version_line, page))
