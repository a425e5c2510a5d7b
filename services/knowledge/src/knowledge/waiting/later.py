"""Work that can't continue now, although nothing has failed. Its job is put back and uses up no attempt."""

import time
from datetime import UTC, datetime
from typing import ClassVar

from common.errors import TransientError

LONGEST_SECONDS = 3600.0
"""A request for a longer pause is cut to this, because GitHub's limits renew within the hour."""


class Later(TransientError):
    """Come back at ``retry_at`` (seconds since the epoch); ``None``: after a pause that grows."""

    default_code = "later"
    longest_pause: ClassVar[float] = 10.0
    """Maximum seconds of the growing pause."""

    def __init__(self, reason: str, *, retry_at: float | None = None, code: str | None = None) -> None:
        super().__init__(reason, code=code)
        self.retry_at = retry_at


class RateLimited(Later):
    """Don't call ``who`` for ``seconds``, at most an hour; ``why`` is its answer."""

    default_code = "rate_limited"

    def __init__(self, who: str, seconds: float, why: str = "") -> None:
        self.until = time.time() + min(seconds, LONGEST_SECONDS)
        self.who, self.why = who, why
        shown = datetime.fromtimestamp(self.until, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        reason = f"waits for {who} until {shown}"
        super().__init__(f"{reason}: {why}" if why else reason, retry_at=self.until)

    def again(self, who: str | None = None) -> "RateLimited":
        """The same pause, for another call or with another message."""
        return RateLimited(who or self.who, self.until - time.time(), self.why)
