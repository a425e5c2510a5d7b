"""Appending many messages at once."""

from collections.abc import Sequence
from uuid import UUID

from chat.conversations.use_cases import check_owner
from chat.messages.listing_repository import list_by_ids
from chat.messages.records import Message, NewMessage
from chat.messages.use_cases import append_messages
from common.errors import Conflict, PermanentError
from common.postgres import Pool, transaction, tried_again


@tried_again
async def append_in_bulk(
    pool: Pool, user_id: str, conversation_id: UUID, messages: Sequence[NewMessage]
) -> list[Message]:
    """Append messages to one of the user's conversations, in this order, each with a fact: all of them, or
    none. Returns them as they are stored; one that was stored before, unchanged, isn't appended again.

    Raises as :func:`check_owner`, and :class:`Conflict` for an id that belongs to another message.
    """
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, conversation_id)
        outcomes = await append_messages(connection, messages)
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, Conflict):
                raise Conflict(f"messages.{place}: {outcome.reason}", code=outcome.code)
            if isinstance(outcome, PermanentError):
                raise outcome
        return await list_by_ids(connection, [message.id for message in messages])
