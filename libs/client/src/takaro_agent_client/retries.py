"""When to try again, and after how long: pure, without clocks."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from takaro_agent_client.errors import ClientError, ConnectionFailed, Refused

KEY_IN_USE = "idempotency_key_in_use"
"""The code of a 409: the first request with this ``Idempotency-Key`` still runs."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Retrying:
    """At most ``attempts`` in all, with pauses that double from ``first_seconds`` to ``longest_seconds``.

    A pause is random between half of that and all of it, so that clients don't come back together. A
    service's ``Retry-After`` is the least pause; one beyond ``patience_seconds`` isn't waited for.
    """

    attempts: int = 5
    first_seconds: float = 0.25
    longest_seconds: float = 15.0
    patience_seconds: float = 60.0
    random: Callable[[], float] = field(default=random.random, compare=False)

    def pause(self, error: ClientError, attempt: int, *, repeatable: bool = True) -> float | None:
        """Seconds to wait after the failure of the 1st, 2nd, 3rd … attempt; ``None`` to give up."""
        if attempt >= self.attempts or not passes(error, repeatable=repeatable):
            return None
        least = (error.retry_after if isinstance(error, Refused) else None) or 0.0
        if least > self.patience_seconds:
            return None
        return max(least, self.backoff(attempt))

    def backoff(self, attempt: int) -> float:
        """The pause after the 1st, 2nd, 3rd … failure, without what the service says."""
        longest = min(self.longest_seconds, self.first_seconds * 2.0 ** min(attempt - 1, 30))
        return longest * (1 + self.random()) / 2


def passes(error: ClientError, *, repeatable: bool = True) -> bool:
    """Whether the same request may succeed later, and does no harm if the first one was carried out."""
    if isinstance(error, ConnectionFailed):
        return repeatable
    if not isinstance(error, Refused):
        return False
    if error.code == KEY_IN_USE:
        return True
    return error.status in _PASSING and (repeatable or error.status in (429, 503))
