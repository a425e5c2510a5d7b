"""Follows one turn: every piece once and in order, then how it ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Protocol
from uuid import UUID

from chat.conversations.acting import check_owner_or_runtime
from chat.turn_streams.feed import TurnFeed
from chat.turn_streams.reading import PieceReader
from chat.turn_streams.records import Awaits, Opened, Over, Shown, Step, Unanswered
from chat.turns.repository import get_turn
from chat.turns.rules import turn_not_found
from common.postgres import Pool
from servicekit.auth import Caller

LOOK_SECONDS = 1.0


class Patience(Protocol):
    """How long somebody waits until a runtime takes a turn."""

    def over(self) -> Unanswered | None:
        """Why nobody will take it; None while there is hope."""


async def follow_turn(
    pool: Pool, feed: TurnFeed, caller: Caller, conversation_id: UUID, turn_id: UUID, after: int
) -> AsyncIterator[Step]:
    """As :func:`follow`, for who may. Raises as :func:`check_owner_or_runtime`, and :class:`NotFound`, before
    the first step."""
    async with pool.acquire() as connection:
        await check_owner_or_runtime(connection, caller, conversation_id)
        if await get_turn(connection, conversation_id, turn_id) is None:
            raise turn_not_found()
    yield Opened()
    async for step in follow(pool, feed, conversation_id, turn_id, after):
        yield step


async def follow(
    pool: Pool,
    feed: TurnFeed,
    conversation_id: UUID,
    turn_id: UUID,
    after: int,
    patience: Patience | None = None,
) -> AsyncIterator[Step]:
    """The pieces of a turn after this number, those that there are and those that come; last :class:`Over`,
    or :class:`Unanswered` when ``patience`` is.

    A piece is shown once it is stored, to followers in every process. The end of a turn and its pieces are
    seen at one time, so none is missing when it is over. What was redacted isn't shown to who
    comes later.
    """
    with feed.followed(conversation_id, turn_id) as turn:
        reader = PieceReader(pool, feed, turn, after)
        await reader.begin()
        asked = None
        while True:
            changed, progress = turn.changed, turn.progress
            if turn.gone or progress is None:
                yield Over(None)
                return
            if pieces := await reader.read():
                yield Shown(pieces)
                continue
            if progress.ended and reader.last >= progress.last:
                yield Over(progress)
                return
            if progress.state == "awaiting" and progress.awaiting is not None and progress.awaiting != asked:
                asked = progress.awaiting
                yield Awaits(asked)
            if progress.state != "awaiting":
                asked = None
            if progress.state == "requested" and patience is not None:
                if (reason := patience.over()) is not None:
                    yield reason
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), LOOK_SECONDS)
            else:
                await changed.wait()
