"""One turn while it is followed, with the newest of its pieces."""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from itertools import islice
from operator import attrgetter
from uuid import UUID

from chat.turn_streams.records import News, Piece, Progress
from chat.turn_streams.repository import NO_PIECES
from chat.turn_streams.rules import pieces_of
from chat.turns.records import State

_number = attrgetter("number")

PAGE_BYTES = 250_000
"""A page of pieces ends with the one that reaches this."""


class FollowedTurn:
    """What a process knows of a turn. All its followers read from here, each at its own pace.

    ``last`` is the number of the last piece that was read or passed over: who wants earlier ones than those
    that are kept asks Postgres. ``changed`` is set once there is more to see, and replaced by a new event;
    the events in ``woken``, which belong to followers, are set too.
    """

    __slots__ = (
        "_kept",
        "bytes",
        "changed",
        "conversation_id",
        "followers",
        "gone",
        "id",
        "last",
        "looked_at",
        "progress",
        "woken",
    )

    def __init__(self, conversation_id: UUID, turn_id: UUID) -> None:
        self.conversation_id, self.id = conversation_id, turn_id
        self.progress: Progress | None = None
        self.gone = False
        self.last: int | None = None
        self.looked_at = float("-inf")
        self.changed = asyncio.Event()
        self.followers = 0
        self.woken: set[asyncio.Event] = set()
        self.bytes = 0
        self._kept: deque[Piece] = deque()

    def known(self) -> tuple[int, State | None]:
        """What a look needn't find again: the number of the last piece, and the state. A turn that waits may
        ask something else than before."""
        if self.last is None or self.progress is None:
            return NO_PIECES, None
        return self.last, None if self.progress.state == "awaiting" else self.progress.state

    def take(self, news: News) -> bool:
        """Learn what a look has found. True: there is more of it, which another look finds."""
        if news.progress is None:
            self.gone = True
            self._wake()
            return False
        before, known = self.progress, self.last
        self.progress = news.progress
        if self.last is None:
            self.last = news.progress.last
        for first, last, stored in news.rows:
            self._add(first, last, stored)
        if self.progress != before or self.last != known:
            self._wake()
        return self.last < news.progress.last

    def show(self, first: int, last: int, stored: str) -> bool:
        """Learn of pieces that were stored. False: some before them aren't known."""
        if self.last is None or first > self.last + 1:
            return False
        if self._add(first, last, stored):
            self._wake()
        return True

    def after(self, number: int) -> Sequence[Piece] | None:
        """The pieces after this one, as far as they are known; a page of them, because each follower that
        doesn't read on holds what it got. None if the next one isn't kept."""
        if self.last is None or number >= self.last:
            return ()
        if not self._kept or number + 1 < self._kept[0].number:
            return None
        page, size = list[Piece](), 0
        for piece in islice(self._kept, bisect_right(self._kept, number, key=_number), None):
            page.append(piece)
            size += piece.size
            if size >= PAGE_BYTES:
                break
        return page

    def forget(self) -> None:
        """Keep no pieces: Postgres may have none any more."""
        self._kept.clear()
        self.bytes = 0

    def forget_half(self) -> None:
        """Keep the newer half of the pieces."""
        for _ in range(max(1, len(self._kept) // 2)):
            self.bytes -= self._kept.popleft().size

    def _add(self, first: int, last: int, stored: str) -> bool:
        if self.last is None or last <= self.last:  # known already
            return False
        for piece in pieces_of(first, stored):
            if piece.number > self.last:
                self._kept.append(piece)
                self.bytes += piece.size
        self.last = last
        return True

    def _wake(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()
        for event in self.woken:
            event.set()
