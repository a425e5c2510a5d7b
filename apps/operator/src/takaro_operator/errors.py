"""Why a command couldn't do its work, and the exit status for that.

Exit status: 0 done, 1 failed or nothing found, 2 refused with nothing changed.
"""

FAILED, REFUSED = 1, 2


class Failure(Exception):
    """A command can't do its work: the message says why, and what to do.

    ``http_status`` is that of the service's answer, if there was one; ``retry_after`` when to come back, in
    seconds.
    """

    status = FAILED

    def __init__(
        self, message: str, *, http_status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.http_status, self.retry_after = http_status, retry_after


class Refusal(Failure):
    """The request is wrong or incomplete; nothing was changed."""

    status = REFUSED
