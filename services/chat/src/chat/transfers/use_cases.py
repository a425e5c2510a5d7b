"""Appending many messages at once."""

from collections.abc import Sequence
from uuid import UUID

from chat.announcements.served import ServedAgents
from chat.conversations.use_cases import check_owner
from chat.messages.all_or_none import append_all_or_none
from chat.messages.listing_repository import list_by_ids
from chat.messages.records import Message, NewMessage
from chat.messages.use_cases import append_messages
from common.errors import Conflict, PermanentError
from common.postgres import Pool, transaction, tried_again


async def append_in_bulk(
    pool: Pool,
    user_id: str,
    conversation_id: UUID,
    messages: Sequence[NewMessage],
    served: ServedAgents | None = None,
) -> list[Message]:
    """Append messages to one of the user's conversations, in this order, each with a fact: all of them, or
    none. Returns them as they are stored; one that was stored before, unchanged, isn't appended again. If
    they end with a user's and the agent is ``served``, they ask for a turn; else they bring their answers.

    Raises as :func:`check_owner`, and :class:`Conflict` for an id that belongs to another message, and for
    what comes without the token of a turn that runs.
    """
    asks = served if messages[-1].role == "user" else None
    if asks is None and (stored := await append_all_or_none(pool, messages)):
        return stored
    return await _append_in_steps(pool, user_id, conversation_id, messages, asks)


@tried_again
async def _append_in_steps(
    pool: Pool,
    user_id: str,
    conversation_id: UUID,
    messages: Sequence[NewMessage],
    asks: ServedAgents | None,
) -> list[Message]:
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, conversation_id)
        outcomes = await append_messages(connection, messages, asks)
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, Conflict):
                raise Conflict(f"messages.{place}: {outcome.reason}", code=outcome.code)
            if isinstance(outcome, PermanentError):
                raise outcome
        return await list_by_ids(connection, [message.id for message in messages])
