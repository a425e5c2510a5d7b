"""Handlers of the commands by which runtimes show their work."""

from collections.abc import Sequence

from backbone.handlers import BatchHandler, Command, Rejection
from chat.pieces.records import Limits, NewPieces
from chat.pieces.rules import encode, too_long
from chat.pieces.use_cases import show_pieces
from chat.turns.rules import digest_of
from common.errors import PermanentError
from common.postgres import Connection
from contracts.chat import ShowPiece


def shower(limits: Limits) -> BatchHandler[ShowPiece]:
    """A handler that stores pieces within ``limits``."""

    async def show(connection: Connection, commands: Sequence[Command[ShowPiece]]) -> list[Rejection | None]:
        """Store the pieces of a batch. A piece that is stored already is passed over."""
        new = [_new_pieces(command.data) for command in commands]
        outcomes: list[Rejection | None] = [
            Rejection.of(too_long(limits.piece_bytes)) if each.size > limits.piece_bytes else None
            for each in new
        ]
        fitting = [place for place, outcome in enumerate(outcomes) if outcome is None]
        stored, _ = await show_pieces(connection, [new[place] for place in fitting], limits)
        for place, outcome in zip(fitting, stored, strict=True):
            outcomes[place] = Rejection.of(outcome) if isinstance(outcome, PermanentError) else None
        return outcomes

    return show


def _new_pieces(data: ShowPiece) -> NewPieces:
    return NewPieces(
        data.conversation_id, data.turn_id, digest_of(data.token), (data.chunk,), (encode(data.chunk),)
    )
