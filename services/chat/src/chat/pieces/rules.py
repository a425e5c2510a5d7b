"""Which pieces a turn takes. No I/O."""

from collections.abc import Sequence
from hmac import compare_digest

from pydantic import TypeAdapter

from chat.pieces.records import Limits, NewPieces
from chat.turns.piece_repository import NextPieces, Shown
from chat.turns.records import HELD, PieceRow
from chat.turns.rules import turn_not_found, turn_over, turn_token_refused
from common.errors import Conflict, PermanentError, TooLarge
from contracts.chat import Piece
from servicekit.json_lines import read_line

_PIECES: TypeAdapter[Piece] = TypeAdapter(Piece)
_OPTIONAL = ("message_id", "duration_ms")


def read_piece(line: bytes, number: int) -> Piece:
    """The piece in a line. Raises as :func:`read_line`."""
    return read_line(_PIECES.validate_python, line, number, "piece_invalid")


def encode(piece: Piece) -> bytes:
    """A piece as it is stored and shown: without what it doesn't say, also where it says null instead."""
    nothing = {name for name in _OPTIONAL if getattr(piece, name, None) is None}
    return piece.model_dump_json(by_alias=True, exclude_unset=True, exclude=nothing).encode()


def too_long(max_bytes: int) -> TooLarge:
    """The error for a piece that is too large."""
    return TooLarge(f"A piece has more than {max_bytes} bytes of JSON", code="piece_too_large")


class OutOfOrder(Conflict):
    """HTTP 409: before this piece, others are missing. The answer has ``lastNumber``, that of the last."""

    default_code = "pieces_out_of_order"

    def __init__(self, number: int, last: int) -> None:
        super().__init__(f"Piece {number} came, but {last + 1} is the next one: send the pieces from there")
        self.fields = {"data": {"lastNumber": last}}


def check(new: NewPieces, shown: Shown | None) -> PermanentError | None:
    """Why the turn takes no pieces of who sent these, or None. Those that are stored already are refused by
    no end of the turn: a command may come again long after it."""
    if shown is None or shown.conversation_id != new.conversation_id:
        return turn_not_found()
    if shown.token_sha256 is None or not compare_digest(shown.token_sha256, new.token_sha256):
        return turn_token_refused()
    stored = bool(new.pieces) and all(piece.number <= shown.last for piece in new.pieces)
    if not stored and (shown.state not in HELD or shown.expired):
        return turn_over()
    return None


def following_of(all_pieces: Sequence[NewPieces]) -> NextPieces | None:
    """All these pieces of one turn as one row, if one sender has sent them without a gap; None otherwise."""
    first = all_pieces[0]
    numbers = [piece.number for new in all_pieces for piece in new.pieces]
    alike = all(
        (new.conversation_id, new.token_sha256) == (first.conversation_id, first.token_sha256)
        for new in all_pieces
    )
    if not numbers or not alike or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        return None
    encoded = [each for new in all_pieces for each in new.encoded]
    row = PieceRow(first.turn_id, numbers[0], numbers[-1], f"[{b','.join(encoded).decode()}]")
    return NextPieces(row, first.conversation_id, first.token_sha256, sum(map(len, encoded)))


def chosen_of(new: NewPieces, last: int, total_bytes: int, limits: Limits) -> list[bytes]:
    """Those of the pieces that come after ``last`` in a turn that has shown so many bytes; the others are
    stored already.

    Raises :class:`OutOfOrder` for a piece before which another one is missing, and :class:`TooLarge` for more
    than a turn may show.
    """
    chosen: list[bytes] = []
    for piece, encoded in zip(new.pieces, new.encoded, strict=True):
        next_number = last + len(chosen) + 1
        if piece.number < next_number:
            continue
        if piece.number > next_number:
            raise OutOfOrder(piece.number, last)  # those before it aren't stored either
        chosen.append(encoded)
    if total_bytes + sum(map(len, chosen)) > limits.turn_bytes:
        raise TooLarge(
            f"The turn shows more than {limits.turn_bytes} bytes of JSON in all", code="pieces_too_many"
        )
    return chosen
