"""One reader of a process for all turns that are followed there, however many they are."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from uuid import UUID

from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone.names import TURN_NEWS_CHANNEL
from chat.turn_streams import repository
from chat.turn_streams.followed import FollowedTurn
from chat.turns.records import PieceRow
from common.notifications import Notifications
from common.postgres import Pool

POLL_SECONDS = 1.0
"""News whose notification was lost are seen after this time at the latest."""
TURNS_AT_ONCE = 500
ROWS_OF_TURN = 200
"""Rows of pieces of a turn that one look reads."""


class TurnFeed:
    """Looks at followed turns when a notification says that there are news of their conversations, and every
    second.

    One statement looks at all turns with news. While it runs, more news gather for the next one. Pieces are
    kept for those who follow now, up to ``most_bytes`` in all; who is further behind reads from Postgres.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._turns: dict[UUID, FollowedTurn] = {}
        self._of: dict[str, set[FollowedTurn]] = {}
        self._news: set[FollowedTurn] = set()
        self._wanted, self._looked = asyncio.Event(), asyncio.Event()
        self._polled_at = float("-inf")

    async def run(self, pool: Pool, notifications: Notifications) -> None:
        """Look until cancelled. Raises the error of a database that is away: what is followed then waits
        until this is called again."""
        with suppress_instrumentation():
            async with notifications.heard(TURN_NEWS_CHANNEL, self._hear):
                while True:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wanted.wait(), POLL_SECONDS)
                    await self._look(pool)

    @contextmanager
    def followed(self, conversation_id: UUID, turn_id: UUID) -> Iterator[FollowedTurn]:
        """Follow a turn until the block ends."""
        turn = self._turns.get(turn_id)
        if turn is None:
            turn = self._turns[turn_id] = FollowedTurn(conversation_id, turn_id)
            self._of.setdefault(str(conversation_id), set()).add(turn)
        turn.followers += 1
        try:
            yield turn
        finally:
            turn.followers -= 1
            if not turn.followers:
                self._forget(turn)

    async def fresh(self, turn: FollowedTurn) -> None:
        """Wait for a look at this turn that begins from now on."""
        asked = monotonic()
        self._tell(turn)
        while turn.looked_at < asked:
            await self._looked.wait()

    def stored(self, row: PieceRow) -> None:
        """Show pieces that this process has stored, and committed, without a look."""
        turn = self._turns.get(row.turn_id)
        if turn is not None and not turn.show(row.first, row.last, row.pieces):
            self._tell(turn)

    def _hear(self, conversation_id: str | None) -> None:
        """There are news of a conversation; of any, if it is None."""
        turns = self._turns.values() if conversation_id is None else self._of.get(conversation_id, ())
        for turn in turns:
            if turn.progress is not None and turn.progress.ended:
                turn.forget()  # a redaction takes its pieces away
            else:
                self._tell(turn)

    def _tell(self, turn: FollowedTurn) -> None:
        self._news.add(turn)
        self._wanted.set()

    async def _look(self, pool: Pool) -> None:
        self._wanted.clear()
        now = monotonic()
        if now - self._polled_at >= POLL_SECONDS:
            self._polled_at = now
            self._news.update(t for t in self._turns.values() if t.progress is None or not t.progress.ended)
        some = [self._news.pop() for _ in range(min(TURNS_AT_ONCE, len(self._news)))]
        try:
            await self._look_at(pool, some)
        except BaseException:
            self._news.update(some)
            raise
        finally:
            if self._news:
                self._wanted.set()
        looked, self._looked = self._looked, asyncio.Event()
        looked.set()

    async def _look_at(self, pool: Pool, turns: list[FollowedTurn]) -> None:
        began = monotonic()
        known = {turn.id: turn.known() for turn in turns if turn.followers}
        if not known:
            return
        async with pool.acquire() as connection:
            found = await repository.list_news(connection, known, ROWS_OF_TURN)
        for news in found:
            turn = self._turns.get(news.turn_id)
            if turn is not None and turn.take(news):
                self._tell(turn)
        for turn in turns:
            turn.looked_at = began
        self._keep_within()

    def _keep_within(self) -> None:
        kept = sum(turn.bytes for turn in self._turns.values())
        while kept > self._most_bytes:
            largest = max(self._turns.values(), key=lambda turn: turn.bytes)
            kept -= largest.bytes
            largest.forget_half()
            kept += largest.bytes

    def _forget(self, turn: FollowedTurn) -> None:
        del self._turns[turn.id]
        self._news.discard(turn)
        of = self._of[str(turn.conversation_id)]
        of.discard(turn)
        if not of:
            del self._of[str(turn.conversation_id)]
