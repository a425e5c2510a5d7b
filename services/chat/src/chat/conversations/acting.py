"""On whose behalf a caller works in a conversation: their own, or as a runtime on that of its owner."""

from uuid import UUID

from chat.conversations import repository
from chat.conversations.rules import not_found, works_for
from common.errors import Forbidden
from common.postgres import Connection, Pool
from servicekit.auth import Caller
from servicekit.scopes import AGENT


async def acting_for(
    pool: Pool, caller: Caller, conversation_id: UUID, *, turn_token: str | None = None, writes: bool = False
) -> str:
    """The user on whose behalf the caller reads or ``writes``: the owner, for a runtime of the
    conversation's agent, which needs a turn's token to write; else the caller.

    Whether the conversation is theirs is for the use case to check.
    """
    if AGENT not in caller.scopes or (writes and turn_token is None):
        return caller.user_id
    async with pool.acquire() as connection:
        found = await repository.get_agent(connection, conversation_id)
    if found is None or found.user_id is None or not works_for(caller.agents, found.agent_id):
        return caller.user_id
    return found.user_id


def check_runtime(caller: Caller) -> None:
    """Raise :class:`Forbidden` for a caller that isn't a runtime."""
    if AGENT not in caller.scopes:
        raise Forbidden("This needs a token with the scope `agent`", code="agent_only")


async def owner_for_runtime(connection: Connection, caller: Caller, conversation_id: UUID) -> str:
    """The owner of a conversation that the caller, a runtime, works for.

    Raises :class:`NotFound`, and :class:`Forbidden` for a caller that is no runtime, or not of the
    conversation's agent. A legacy conversation without a user belongs to nobody.
    """
    check_runtime(caller)
    found = await repository.get_agent(connection, conversation_id)
    if found is None:
        raise not_found()
    if found.user_id is None:
        raise Forbidden
    if not works_for(caller.agents, found.agent_id):
        raise Forbidden(f"The token doesn't name the agent {found.agent_id}", code="agent_not_named")
    return found.user_id


async def check_owner_or_runtime(connection: Connection, caller: Caller, conversation_id: UUID) -> None:
    """Raise :class:`NotFound`, or :class:`Forbidden` for a caller that neither owns the conversation nor is a
    runtime of its agent."""
    found = await repository.get_agent(connection, conversation_id)
    if found is None:
        raise not_found()
    if found.user_id != caller.user_id:
        await owner_for_runtime(connection, caller, conversation_id)
