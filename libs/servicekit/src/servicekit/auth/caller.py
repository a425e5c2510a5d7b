"""An authenticated caller."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.errors import Invalid, NotAuthenticated
from contracts.storable import check_text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_USER_ID = 255
"""``user_id`` is a ``varchar(255)`` in every table."""


@dataclass(slots=True, frozen=True)
class Caller:
    """An authenticated caller.

    ``expires_at`` (POSIX time) is when its credentials expire; ``email`` and ``name`` are what they say of
    the person. ``agents`` are those that a runtime works for. ``by_cookie``: the credentials were a cookie,
    so the caller is a browser. ``verify_again``, if set, asks whether the credentials count beyond
    ``expires_at``, and gives the caller with its new end; it raises :class:`NotAuthenticated` if they don't,
    and ``TransientError`` if that can't be known now.
    """

    user_id: str
    expires_at: float | None = None
    scopes: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()
    email: str | None = None
    name: str | None = None
    by_cookie: bool = False
    verify_again: "Callable[[], Awaitable[Caller]] | None" = field(default=None, compare=False, repr=False)

    def seconds_left(self) -> float | None:
        """Seconds until the caller's credentials expire; ``None`` if they don't."""
        return None if self.expires_at is None else max(0.0, self.expires_at - time.time())


def check_user_id(user_id: str) -> None:
    """Raise :class:`NotAuthenticated` for a blank user id, and :class:`Invalid` for one that can't be
    stored."""
    if not user_id.strip():
        raise NotAuthenticated("Not authenticated")
    try:
        check_text(user_id)
    except ValueError as error:
        raise Invalid(f"A user id {error}") from error
    if len(user_id) > MAX_USER_ID:
        raise Invalid(f"A user id has at most {MAX_USER_ID} characters")
