"""Taking a requested turn in three round trips: the usual case."""

from uuid import UUID

import asyncpg

from chat.conversations.acting import owner_for_runtime
from chat.messages.listing_repository import list_before
from chat.messages.records import Message
from chat.messages.use_cases import PAGE_BYTES
from chat.runtimes.records import Context, Taken
from chat.turns import taking_repository as repository
from chat.turns.records import Taking, Turn
from common.postgres import Connection, Pool
from servicekit.auth import Caller

HISTORY = 200
"""Messages that a runtime gets with a turn."""


async def take_requested(
    pool: Pool, caller: Caller, conversation_id: UUID, turn_id: UUID | None, taking: Taking
) -> Taken | None:
    """Let a runtime hold the turn that is requested. None, and nothing is done, if anything isn't as usual:
    the caller looks at it in a transaction. Raises as :func:`owner_for_runtime`."""
    async with pool.acquire() as connection:
        owner = await owner_for_runtime(connection, caller, conversation_id)
        try:
            taken = await repository.take_requested(connection, conversation_id, owner, turn_id, taking)
        except (asyncpg.DivisionByZeroError, asyncpg.DeadlockDetectedError):
            return None
        if taken is None:
            return None
        messages = await list_history(connection, taken.turn)
    context = Context(owner, taken.agent_id, taken.agent_version, messages, taken.state, taken.state_version)
    return Taken(taken.turn, context, repeated=False)


async def list_history(connection: Connection, turn: Turn) -> list[Message]:
    """The newest messages up to the turn's beginning, oldest first. Later ones are for the next turn."""
    messages = await list_before(
        connection, turn.conversation_id, turn.through_sequence + 1, HISTORY, PAGE_BYTES
    )
    messages.sort(key=lambda message: message.sequence)
    return messages
