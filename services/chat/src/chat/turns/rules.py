"""Who may write in a conversation while a turn runs, and what tokens are. No I/O."""

import secrets
from hashlib import sha256

from chat.turns.records import Turn
from common.errors import Conflict, NotFound

TOKEN_BYTES = 32


def new_token() -> str:
    """A token that nobody can guess."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> str:
    """What is stored of a token: its SHA-256, in hexadecimal."""
    return sha256(token.encode()).hexdigest()


def digest_if_any(token: str | None) -> str | None:
    """As :func:`digest_of`; None of no token."""
    return None if token is None else digest_of(token)


def turn_running() -> Conflict:
    """The error for what only the runtime whose turn it is may do, without its token."""
    return Conflict(
        "A turn runs in this conversation: until it ends, only its runtime appends messages of an assistant, "
        "a tool or the system, and changes the state, with the turn's token",
        code="turn_running",
    )


def turn_over() -> Conflict:
    """The error for a runtime whose turn has ended."""
    return Conflict(
        "The turn of this token has ended, or wasn't renewed in time: nothing was changed", code="turn_over"
    )


def turn_token_refused() -> Conflict:
    """The error for another turn's token."""
    return Conflict("The token isn't the one of this turn", code="turn_token_refused")


def turn_has_ended() -> Conflict:
    """The error for a turn that can't be taken or stopped any more."""
    return Conflict("The turn was taken already, or has ended", code="turn_over")


def turn_not_found() -> NotFound:
    """The error for an id that no turn of the conversation has."""
    return NotFound("Turn not found", code="turn_not_found")


def refusal(running: Turn | None, token_sha256: str | None) -> Conflict | None:
    """Why who has this token, or none, may not write; None if they may. ``running`` is the turn that holds
    the conversation, which is locked, and it hasn't expired."""
    if running is None:
        return None if token_sha256 is None else turn_over()
    return None if running.token_sha256 == token_sha256 else turn_running()
