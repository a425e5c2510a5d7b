"""Appending messages of one conversation, all or none, in one round trip: a bulk's usual case."""

from collections.abc import Sequence

import asyncpg

from chat.messages import repository
from chat.messages.records import Message, NewMessage
from chat.messages.repository import FEW_MESSAGES
from common import trace_context
from common.postgres import Pool


async def append_all_or_none(pool: Pool, messages: Sequence[NewMessage]) -> list[Message]:
    """Append messages of one conversation, each with its fact, and return them as they are stored; or none,
    and nothing.

    Nothing says why: the caller appends them again in a transaction that finds out. Each message names its
    conversation's owner, and asks for no turn.
    """
    if not may_be_at_once(messages):
        return []
    try:
        async with pool.acquire() as connection:
            return await repository.insert_all_or_none(connection, messages)
    except (asyncpg.DivisionByZeroError, asyncpg.DeadlockDetectedError):
        return []


def may_be_at_once(messages: Sequence[NewMessage]) -> bool:
    """Whether one statement for a few messages can append these. If so, each gets its trace."""
    if not 0 < len({message.id for message in messages}) == len(messages) <= FEW_MESSAGES:
        return False
    current = trace_context.current()
    for message in messages:
        message.trace = message.trace or current
    return True
