"""Follows the facts about one conversation: those that the reader missed, then each as it is published."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from backbone import outbox
from chat.conversations.use_cases import check_owner
from chat.live import repository
from chat.live.following import LiveFacts
from chat.live.records import Connected, Ended, Reset, Step
from common.errors import DependencyAway, Forbidden, NotFound
from common.postgres import Pool
from contracts.chat import FACTS_STREAM, ConversationDeleted

CHECK_SECONDS = 30.0
"""After so long without a fact, Postgres is asked whether any should have come, and who may read them."""


async def follow(
    pool: Pool, live: LiveFacts, user_id: str, conversation_id: UUID, after: int | None
) -> AsyncIterator[Step]:
    """:class:`Connected`, then each fact once and in the order of its sequence.

    ``after`` is the sequence of the last one that the reader has; without it, only what is new follows. The
    facts of a conversation are numbered without a gap, so one that is missing is noticed: :class:`Reset` then
    tells the reader to read the conversation again. The last step is :class:`Ended` when the conversation is
    deleted or isn't the user's any more. Raises as :func:`check_owner` before the first step, and
    :class:`DependencyAway` if facts can't be read.
    """
    subject = str(conversation_id)
    await _sequence(pool, user_id, conversation_id)
    with live.followed(subject) as news:
        await live.begun()
        # Read after reading began: later facts come from there, and none before it.
        last = await _sequence(pool, user_id, conversation_id)
        cursor = last if after is None else min(after, last)
        yield Connected(cursor, after is not None)
        if after is not None and after > last:  # of another database, or of one that was restored
            yield Reset(last)
        quiet = cursor == last
        while True:
            news.clear()
            fact = live.next(subject, cursor)
            if fact is not None and fact.sequence == cursor + 1:
                cursor, quiet = fact.sequence, True
                yield fact
                if fact.type == ConversationDeleted.type:
                    yield Ended("deleted")
                    return
                continue
            if fact is None and quiet:
                quiet = await _news(news)
                if quiet:
                    continue
            try:
                last = await _sequence(pool, user_id, conversation_id)
            except (NotFound, Forbidden):
                if fact is None or fact.type != ConversationDeleted.type:
                    await _published(pool, live, subject)
                    fact = live.next(subject, cursor)
                if fact is not None and fact.sequence == cursor + 1:
                    continue
                yield Ended("deleted")
                return
            quiet = True
            if fact is not None:
                cursor = max(last, fact.sequence)
                yield Reset(cursor)
            elif (
                last > cursor and await _published(pool, live, subject) and live.next(subject, cursor) is None
            ):
                cursor = last
                yield Reset(cursor)


async def _news(news: asyncio.Event) -> bool:
    """Whether something came, before it is time to check."""
    with suppress(TimeoutError):
        await asyncio.wait_for(news.wait(), CHECK_SECONDS)
    return news.is_set()


async def _sequence(pool: Pool, user_id: str, conversation_id: UUID) -> int:
    async with pool.acquire() as connection:
        await check_owner(connection, user_id, conversation_id)
        return await repository.get_sequence(connection, conversation_id)


async def _published(pool: Pool, live: LiveFacts, subject: str) -> bool:
    """Whether all facts of the subject that were committed are published, and were read. False while the bus
    is away: they wait then."""
    if not live.is_reading:
        return False
    async with pool.acquire() as connection:
        if await outbox.is_waiting(connection, FACTS_STREAM, subject):
            return False
    with suppress(DependencyAway, TimeoutError):
        await live.caught_up()
        return True
    return False
