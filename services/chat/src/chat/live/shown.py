"""What turns show, put between the facts about them, for one reader of a conversation."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Self
from uuid import UUID

from chat.live.records import LiveFact, LivePieces, LiveTurn, Position
from chat.turn_streams.feed import TurnFeed
from chat.turn_streams.reading import PieceReader
from common import codec
from common.postgres import Pool
from contracts import chat as contracts

if TYPE_CHECKING:
    from chat.turn_streams.followed import FollowedTurn

ENDS = frozenset(
    each.type
    for each in (
        contracts.TurnFinished,
        contracts.TurnFailed,
        contracts.TurnCancelled,
        contracts.TurnInterrupted,
    )
)
_HEAD = 200
"""Bytes in which the ids and the role of a message are."""
_WITHIN = frozenset({contracts.TurnAwaiting.type, contracts.TurnAnswered.type})


class ShownPieces:
    """The pieces of the turn that runs at the reader's position, if one does.

    A turn's pieces come after the fact that it has started, before the one that it has ended, and before that
    of a message that has them.
    """

    def __init__(self, pool: Pool, feed: TurnFeed, conversation_id: UUID, woken: asyncio.Event) -> None:
        self._pool, self._feed, self._conversation_id, self._woken = pool, feed, conversation_id, woken
        self.turn: LiveTurn | None = None
        """The turn that is followed."""
        self._reader: PieceReader | None = None
        self._followed: AbstractContextManager[FollowedTurn] | None = None
        self._at: tuple[int, int] | None = None
        self._unsure: tuple[LiveTurn, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()

    def position(self, sequence: int) -> Position:
        """Where the reader is, after the fact with this sequence."""
        return Position(sequence) if self._at is None else Position(sequence, *self._at)

    def resume(self, position: Position) -> None:
        """Go on after this position."""
        self._at = None if position.turn is None else (position.turn, position.piece)

    async def begin(
        self, following: Iterable[LiveFact], running: LiveTurn | None, cursor: int, last: int
    ) -> None:
        """Follow the turn that runs where the reader is: what the ``following`` facts say, or ``running``.

        That is what Postgres says at the fact ``last``. If facts up to there wait to be published, it may
        have begun after them: then it is followed when they have come.
        """
        self._unsure = None
        for fact in following:
            if fact.type == contracts.TurnStarted.type:
                return
            if fact.type in ENDS | _WITHIN:
                running, cursor = turn_of(fact), last
                break
            cursor = fact.sequence
        if running is None:
            return
        if cursor < last and (self._at is None or self._at[0] != running.number):
            self._unsure = (running, last)
        else:
            await self._follow(running)

    async def read(self, sequence: int) -> LivePieces | None:
        """The pieces that come next, as far as they are known."""
        if self._reader is None or self.turn is None:
            return None
        pieces = await self._reader.read()
        if not pieces:
            return None
        self._at = (self.turn.number, pieces[-1].number)
        return LivePieces(self.turn, sequence, pieces)

    async def before(self, fact: LiveFact, sequence: int) -> AsyncIterator[LivePieces]:
        """What was shown before a fact that is next after this sequence."""
        if fact.type in ENDS:
            await self._follow(turn_of(fact))
        elif fact.type != contracts.MessageAppended.type or _is_of_a_user(fact):
            return
        if self._reader is None or self.turn is None:
            return
        async for pieces in self._reader.catch_up():
            self._at = (self.turn.number, pieces[-1].number)
            yield LivePieces(self.turn, sequence, pieces)

    async def after(self, fact: LiveFact) -> None:
        """A fact was told: a turn began, or is over."""
        if fact.type == contracts.TurnStarted.type or fact.type in ENDS:
            self._unsure = None
        elif self._unsure is not None and fact.sequence >= self._unsure[1]:
            await self._follow(self._unsure[0])
            self._unsure = None
        if fact.type == contracts.TurnStarted.type:
            await self._follow(turn_of(fact))
        elif fact.type in ENDS:
            self._leave()
            self._at = None

    async def _follow(self, turn: LiveTurn | None) -> None:
        if turn is None or turn == self.turn:
            return
        self._leave()
        had = self._at[1] if self._at is not None and self._at[0] == turn.number else 0
        self._followed = self._feed.followed(self._conversation_id, turn.id)
        followed = self._followed.__enter__()
        followed.woken.add(self._woken)
        self.turn, self._reader = turn, PieceReader(self._pool, self._feed, followed, had)
        await self._reader.begin()

    def _leave(self) -> None:
        if self._followed is not None and self._reader is not None:
            self._reader.turn.woken.discard(self._woken)
            self._followed.__exit__(None, None, None)
        self.turn = self._reader = self._followed = None


def turn_of(fact: LiveFact) -> LiveTurn | None:
    """The turn that a fact is about; None if it says none."""
    with suppress(ValueError, LookupError, TypeError):  # not one of chat's
        data = codec.loads(fact.data)
        return LiveTurn(UUID(data["turnId"]), int(data["number"]))
    return None


def _is_of_a_user(fact: LiveFact) -> bool:
    """Whether a message is a user's. Its ``role`` comes before its content, which may be large."""
    return fact.data.find(b'"role":"user"', 0, _HEAD) >= 0
