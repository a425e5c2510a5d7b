"""Storing what runtimes show. It is committed before anybody sees it, so that nothing that was shown can be
lost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from chat.conversations.acting import owner_for_runtime
from chat.pieces.records import Limits, NewPieces
from chat.pieces.rules import check, chosen_of
from chat.turns import piece_repository as repository
from chat.turns.records import PieceRow
from common.errors import PermanentError
from common.group_commit import GroupCommit
from common.postgres import Connection, Overtaken, Pool, transaction, tried_again
from servicekit.auth import Caller

Outcome: TypeAlias = int | PermanentError
"""The number of the turn's last piece, or why these weren't stored."""
OnStored: TypeAlias = Callable[[PieceRow], None]
ShowPieces: TypeAlias = GroupCommit[NewPieces, Outcome]


def create_showing(limits: Limits, stored: OnStored = lambda row: None) -> ShowPieces:
    """Pieces over HTTP: those of all turns that come while a commit is under way are committed together.

    ``stored`` is called with each row once it is committed, so that who follows in this process needn't look.
    """

    @tried_again
    async def store(pool: Pool, all_pieces: Sequence[NewPieces]) -> tuple[list[Outcome], list[PieceRow]]:
        async with transaction(pool) as connection:
            return await show_pieces(connection, all_pieces, limits)

    async def show(pool: Pool, all_pieces: Sequence[NewPieces]) -> list[Outcome]:
        outcomes, rows = await store(pool, all_pieces)
        for row in rows:
            stored(row)
        return outcomes

    return GroupCommit("show pieces", show, size=lambda new: new.size)


async def check_turn(pool: Pool, caller: Caller, new: NewPieces) -> int:
    """The number of the last piece of a turn that runs and whose runtime the caller is.

    Raises as :func:`owner_for_runtime`, :class:`NotFound` for no such turn, and :class:`Conflict` for one
    that isn't the token's, or is over.
    """
    async with pool.acquire() as connection:
        await owner_for_runtime(connection, caller, new.conversation_id)
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
