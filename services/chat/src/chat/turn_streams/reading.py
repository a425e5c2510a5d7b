"""Reads the pieces of one turn in order, for one follower."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from chat.turn_streams import repository
from chat.turn_streams.feed import TurnFeed
from chat.turn_streams.followed import PAGE_BYTES, FollowedTurn
from chat.turn_streams.records import Piece
from chat.turn_streams.rules import pieces_of
from common.postgres import Pool

PAGE_ROWS = 1_000
"""A page of what is read from Postgres ends with the row that reaches this, or :data:`PAGE_BYTES`."""


class PieceReader:
    """Where one follower of a turn is. ``last`` is the number of the piece that it had last."""

    __slots__ = ("_begun_at", "_feed", "_pool", "last", "turn")

    def __init__(self, pool: Pool, feed: TurnFeed, turn: FollowedTurn, after: int) -> None:
        self._pool, self._feed, self.turn = pool, feed, turn
        self.last, self._begun_at = after, 0

    async def begin(self) -> None:
        """What another process has shown is known here from now on. A number that is higher than the turn
        goes is taken back."""
        await self._feed.fresh(self.turn)
        self._begun_at = self.turn.last or 0
        self.last = min(self.last, self._begun_at)

    async def read(self) -> Sequence[Piece]:
        """The pieces that come next, as far as they are known; a page at a time. None that was redacted
        before this began."""
        while self.turn.last is not None and self.last < self.turn.last:
            until = self.turn.last
            # Memory may still have what was redacted meanwhile.
            pieces = self.turn.after(self.last) if self.last >= self._begun_at else None
            if pieces is None:
                pieces = await list_pieces(self._pool, self.turn.id, self.last)
            self.last = pieces[-1].number if pieces else until
            if pieces:
                return pieces
        return ()

    async def catch_up(self) -> AsyncIterator[Sequence[Piece]]:
        """All pieces that are stored by now."""
        await self._feed.fresh(self.turn)
        progress = self.turn.progress
        target = max(self.turn.last or 0, 0 if progress is None else progress.last)
        while self.last < target and not self.turn.gone:
            changed = self.turn.changed
            if pieces := await self.read():
                yield pieces
            elif self.last < target:
                await changed.wait()


async def list_pieces(pool: Pool, turn_id: UUID, after: int) -> list[Piece]:
    """The pieces after this one, as they are stored: a page of them, none at the end."""
    async with pool.acquire() as connection:
        rows = await repository.list_pieces(connection, turn_id, after, PAGE_ROWS, PAGE_BYTES)
    return [piece for first, stored in rows for piece in pieces_of(first, stored) if piece.number > after]
