"""A turn that waits for a person: its runtime asks, the owner of the conversation answers."""

from typing import Any
from uuid import UUID

from backbone import outbox
from chat.conversations.acting import owner_for_runtime
from chat.conversations.repository import count_fact
from chat.conversations.use_cases import check_owner, lock_conversations
from chat.runtimes.rules import check_token, not_awaiting
from chat.turns import repository
from chat.turns.facts import turn_answered, turn_awaiting
from chat.turns.records import Turn
from chat.turns.rules import turn_not_found, turn_over
from common.postgres import Pool, transaction, tried_again
from servicekit.auth import Caller


@tried_again
async def ask(
    pool: Pool,
    caller: Caller,
    conversation_id: UUID,
    turn_id: UUID,
    token_sha256: str,
    awaiting: dict[str, Any],
) -> Turn:
    """Let a turn wait for what a person answers; the same question again does nothing, also after its answer.

    Raises as :func:`chat.runtimes.use_cases.renew_turn`, for a cancelled turn too.
    """
    async with transaction(pool) as connection:
        await owner_for_runtime(connection, caller, conversation_id)
        await lock_conversations(connection, [conversation_id], deletes=False)
        turn = check_token(await repository.get_turn(connection, conversation_id, turn_id), token_sha256)
        if not turn.held or turn.expired:
            raise turn_over()
        if turn.awaiting == awaiting:
            return turn
        turn = await repository.let_await(connection, turn_id, awaiting)
        sequence, at = await count_fact(connection, conversation_id)
        await outbox.append(connection, [turn_awaiting(turn, at, sequence)])
        return turn


@tried_again
async def answer(
    pool: Pool, user_id: str, conversation_id: UUID, turn_id: UUID, answered: dict[str, Any]
) -> Turn:
    """Answer what a turn waits for, as the owner of the conversation; the same answer again does nothing.

    Raises as :func:`check_owner`, :class:`NotFound` for no such turn, and :class:`Conflict` for one that
    waits for nothing.
    """
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, conversation_id)
        await lock_conversations(connection, [conversation_id], deletes=False)
        turn: Turn | None = await repository.get_turn(connection, conversation_id, turn_id)
        if turn is None:
            raise turn_not_found()
        if turn.state == "running" and turn.answer == answered:
            return turn
        if turn.state != "awaiting" or turn.expired:
            raise not_awaiting()
        turn = await repository.answer_turn(connection, turn_id, answered)
        sequence, at = await count_fact(connection, conversation_id)
        await outbox.append(connection, [turn_answered(turn, at, sequence)])
        return turn
