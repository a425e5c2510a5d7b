"""Follows one conversation: the facts about it and the pieces of its turns, those that the reader missed,
then each as it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic
from uuid import UUID

from backbone import outbox
from chat.conversations.use_cases import check_owner
from chat.live import repository
from chat.live.following import LiveFacts
from chat.live.records import Connected, Ended, Position, Progress, Reset, Step, Told
from chat.live.shown import ShownPieces
from chat.turn_streams.feed import TurnFeed
from common.errors import DependencyAway, Forbidden, NotFound
from common.postgres import Pool
from contracts.chat import FACTS_STREAM, ConversationDeleted

CHECK_SECONDS = 30.0
"""After so long without a fact, Postgres is asked whether any should have come, and who may read them."""


async def follow(
    pool: Pool,
    live: LiveFacts,
    feed: TurnFeed,
    user_id: str,
    conversation_id: UUID,
    after: Position | None,
) -> AsyncIterator[Step]:
    """:class:`Connected`, then each fact once and in the order of its sequence, and between them the pieces
    of the turns that run, each once and in order.

    ``after`` is where the reader is; without it, only what is new follows, and the turn that runs from its
    first piece. The facts of a conversation are numbered without a gap, so one that is missing is noticed:
    :class:`Reset` then tells the reader to read the conversation again. The last step is :class:`Ended` when
    the conversation is deleted or isn't the user's any more. Raises as :func:`check_owner` before the first
    step, and :class:`DependencyAway` if facts can't be read.
    """
    subject = str(conversation_id)
    await _progress(pool, user_id, conversation_id)
    with live.followed(subject) as news, ShownPieces(pool, feed, conversation_id, news) as shown:
        await live.begun()
        # Read after reading began: later facts come from there, and none before it.
        last = await _progress(pool, user_id, conversation_id)
        begin = after or Position(last.sequence)
        lost = begin.sequence > last.sequence  # of another database, or of one that was restored
        if not lost:
            shown.resume(begin)
        cursor = min(begin.sequence, last.sequence)
        await shown.begin(live.after(subject, cursor), last.running, cursor, last.sequence)
        yield Connected(shown.position(cursor), after is not None, shown.turn)
        if lost:
            yield Reset(cursor)
        quiet, checked = cursor == last.sequence, monotonic()
        while True:
            news.clear()
            fact = live.next(subject, cursor)
            if fact is not None and fact.sequence == cursor + 1:
                async for pieces in shown.before(fact, cursor):
                    yield pieces
                await shown.after(fact)
                cursor, quiet, checked = fact.sequence, True, monotonic()
                yield Told(fact, shown.position(cursor))
                if fact.type == ConversationDeleted.type:
                    yield Ended("deleted")
                    return
                continue
            if (found := await shown.read(cursor)) is not None:
                yield found
                continue
            if fact is None and quiet:
                quiet = await _news(news, checked + CHECK_SECONDS)
                if quiet:
                    continue
            checked = monotonic()
            try:
                last = await _progress(pool, user_id, conversation_id)
            except (NotFound, Forbidden):
                if fact is None or fact.type != ConversationDeleted.type:
                    await _published(pool, live, subject)
                    fact = live.next(subject, cursor)
                if fact is not None and fact.sequence == cursor + 1:
                    continue
                yield Ended("deleted")
                return
            quiet, reset = True, False
            if fact is not None:
                cursor, reset = max(last.sequence, fact.sequence), True
            elif (
                last.sequence > cursor
                and await _published(pool, live, subject)
                and live.next(subject, cursor) is None
            ):
                cursor, reset = last.sequence, True
            if reset:
                yield Reset(cursor)
                await shown.begin(live.after(subject, cursor), last.running, cursor, last.sequence)


async def _news(news: asyncio.Event, until: float) -> bool:
    """Whether something came, before it is time to check."""
    with suppress(TimeoutError):
        await asyncio.wait_for(news.wait(), max(0.0, until - monotonic()))
    return news.is_set() and monotonic() < until


async def _progress(pool: Pool, user_id: str, conversation_id: UUID) -> Progress:
    async with pool.acquire() as connection:
        await check_owner(connection, user_id, conversation_id)
        return await repository.get_progress(connection, conversation_id)


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
