"""Finishing a turn with its last messages in one round trip: the usual end of a turn."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from chat.messages import finishing_repository as repository
from chat.messages.all_or_none import may_be_at_once
from chat.messages.records import NewMessage
from chat.messages.shown_pieces import shown_by
from chat.messages.turn_ending import ENDED
from chat.turns.records import Ending, Turn
from common import codec
from common.postgres import Pool


async def finish_at_once(
    pool: Pool, turn_id: UUID, token_sha256: str, ending: Ending, messages: Sequence[NewMessage]
) -> Turn | None:
    """Finish a turn that the token holds, with messages of its conversation, which they name with its owner.

    None, and nothing is done, if anything isn't as usual: the caller ends the turn in a transaction, which
    finds out what it is.
    """
    if ending.state != "finished" or not may_be_at_once(messages):
        return None
    usage = None if ending.usage is None else codec.dumps_str(ending.usage)
    shown = shown_by(turn_id, messages)
    try:
        async with pool.acquire() as connection:
            turn = await repository.finish_turn(connection, turn_id, token_sha256, usage, messages, shown)
    except (asyncpg.DivisionByZeroError, asyncpg.DeadlockDetectedError):
        return None
    if turn is not None:
        ENDED.labels(ending.state).inc()
    return turn
