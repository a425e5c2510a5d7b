"""Storing what runtimes show. It is committed before anybody sees it, so that nothing that was shown can be
lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from chat.pieces.records import Limits, NewPieces
from chat.pieces.rules import check, chosen_of, following_of
from chat.turns import piece_repository as repository
from chat.turns.records import PieceRow
from common.errors import PermanentError
from common.group_commit import GroupCommit
from common.postgres import Connection, Overtaken, Pool, transaction, tried_again

Outcome: TypeAlias = int | PermanentError
"""The number of the turn's last piece, or why these weren't stored."""
OnStored: TypeAlias = Callable[[PieceRow], None]
ShowPieces: TypeAlias = GroupCommit[NewPieces, Outcome]


def create_showing(limits: Limits, stored: OnStored = lambda row: None) -> ShowPieces:
    """Pieces over HTTP: those of all turns that come while a commit is under way are committed together.

    ``stored`` is called with each row once it is committed, so that who follows in this process needn't look.
    """

    @tried_again
    async def next_ones(pool: Pool, all_pieces: Sequence[NewPieces]) -> list[PieceRow]:
        async with pool.acquire() as connection:  # the statement is complete without a transaction
            return await _show_next(connection, all_pieces, limits)

    @tried_again
    async def others(pool: Pool, all_pieces: Sequence[NewPieces]) -> tuple[list[Outcome], list[PieceRow]]:
        async with transaction(pool) as connection:
            return await _show_locked(connection, all_pieces, limits)

    async def show(pool: Pool, all_pieces: Sequence[NewPieces]) -> list[Outcome]:
        rows = await next_ones(pool, all_pieces)
        for row in rows:
            stored(row)
        left = _left(all_pieces, rows)
        outcomes, more = await others(pool, left) if left else ([], [])
        for row in more:
            stored(row)
        return _outcomes(all_pieces, rows, outcomes)

    return GroupCommit("show pieces", show, size=lambda new: new.size)


async def check_turn(pool: Pool, new: NewPieces) -> int:
    """The number of the last piece of a turn that runs and has this token.

    Raises :class:`NotFound` for no such turn, and :class:`Conflict` for one that isn't the token's, or is
    over.
    """
    async with pool.acquire() as connection:
        shown = (await repository.list_shown(connection, [new.turn_id])).get(new.turn_id)
    error = check(new, shown)
    if error is not None:
        raise error
    assert shown is not None
    return shown.last


async def show_pieces(
    connection: Connection, all_pieces: Sequence[NewPieces], limits: Limits
) -> tuple[list[Outcome], list[PieceRow]]:
    """Store pieces of turns, in the caller's transaction. Returns an outcome for each, in their order, and
    what is stored.

    Pieces that are stored already are passed over. The turns stay locked until the transaction ends, so that
    none of them ends before what it has shown is there. Raises :class:`Overtaken` if another transaction
    stored pieces of the same turn meanwhile.
    """
    rows = await _show_next(connection, all_pieces, limits)
    left = _left(all_pieces, rows)
    outcomes, more = await _show_locked(connection, left, limits) if left else ([], [])
    return _outcomes(all_pieces, rows, outcomes), [*rows, *more]


def _left(all_pieces: Sequence[NewPieces], rows: Sequence[PieceRow]) -> list[NewPieces]:
    stored = {row.turn_id for row in rows}
    return [new for new in all_pieces if new.turn_id not in stored]


def _outcomes(
    all_pieces: Sequence[NewPieces], rows: Sequence[PieceRow], others: Sequence[Outcome]
) -> list[Outcome]:
    """The outcomes in the order of the pieces: ``rows`` have some of them, ``others`` is for the rest."""
    stored, rest = {row.turn_id for row in rows}, iter(others)
    return [new.pieces[-1].number if new.turn_id in stored else next(rest) for new in all_pieces]


async def _show_next(
    connection: Connection, all_pieces: Sequence[NewPieces], limits: Limits
) -> list[PieceRow]:
    """Store what is as it almost always is: the next pieces of a turn, from its runtime. Returns the rows."""
    of_turns: dict[UUID, list[NewPieces]] = {}
    for new in all_pieces:
        of_turns.setdefault(new.turn_id, []).append(new)
    following = [each for each in map(following_of, of_turns.values()) if each is not None]
    if not following:
        return []
    stored = await repository.insert_next_pieces(connection, following, limits.turn_bytes)
    return [each.row for each in following if each.row.turn_id in stored]


async def _show_locked(
    connection: Connection, all_pieces: Sequence[NewPieces], limits: Limits
) -> tuple[list[Outcome], list[PieceRow]]:
    """Store what can be stored of pieces, each looked at with its turn locked."""
    shown = await repository.lock_shown(connection, list({new.turn_id for new in all_pieces}))
    growing = {turn_id: _Growing(turn.last, turn.total_bytes) for turn_id, turn in shown.items()}
    outcomes: list[Outcome] = []
    for new in all_pieces:
        error = check(new, shown.get(new.turn_id))
        try:
            outcomes.append(error or growing[new.turn_id].add(new, limits))
        except PermanentError as refused:
            outcomes.append(refused)
    grown = {turn_id: turn for turn_id, turn in growing.items() if turn.added}
    rows = [turn.row(turn_id) for turn_id, turn in grown.items()]
    totals = [turn.total_bytes for turn in grown.values()]
    if rows and await repository.insert_pieces(connection, rows, totals) < len(rows):
        raise Overtaken("another transaction stored pieces of these turns meanwhile")
    return outcomes, rows


@dataclass(slots=True)
class _Growing:
    """A turn that gets pieces: the number of its last one, and the bytes of all."""

    last: int
    total_bytes: int
    added: list[bytes] = field(default_factory=list)

    def add(self, new: NewPieces, limits: Limits) -> int:
        chosen = chosen_of(new, self.last, self.total_bytes, limits)
        self.last += len(chosen)
        self.total_bytes += sum(map(len, chosen))
        self.added += chosen
        return self.last

    def row(self, turn_id: UUID) -> PieceRow:
        first = self.last - len(self.added) + 1
        return PieceRow(turn_id, first, self.last, f"[{b','.join(self.added).decode()}]")
