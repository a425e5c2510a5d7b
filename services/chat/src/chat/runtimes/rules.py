"""Whose a turn is, and which requests are repetitions. No I/O."""

from hmac import compare_digest

from chat.turns.records import Ending, Taking, Turn
from chat.turns.rules import turn_not_found, turn_token_refused
from common.errors import Conflict
from servicekit.idempotency import KeyReused


def check_token(turn: Turn | None, token_sha256: str) -> Turn:
    """The turn, if there is one and the token with this digest is its own."""
    if turn is None:
        raise turn_not_found()
    if turn.token_sha256 is None or not compare_digest(turn.token_sha256, token_sha256):
        raise turn_token_refused()
    return turn


def not_awaiting() -> Conflict:
    """The error for an answer that nobody waits for."""
    return Conflict("The turn waits for no answer", code="turn_not_awaiting")


def is_repeated(turn: Turn, ending: Ending) -> bool:
    """Whether the turn has ended as its runtime wants it to."""
    return turn.state == ending.state


def check_request(taken: Turn, taking: Taking) -> None:
    """Raise :class:`KeyReused` if the turn was taken by another request with the same key."""
    if taken.take_request_sha256 != taking.request_sha256:
        raise KeyReused("This Idempotency-Key was used for another request: another path, query or body")
