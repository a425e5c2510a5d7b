"""Why a command couldn't do its work, and the exit status for that.

Exit status: 0 done, 1 failed or nothing found, 2 refused with nothing changed.
"""

FAILED, REFUSED = 1, 2


class Failure(Exception):
    """A command can't do its work: the message says why, and what to do."""

    status = FAILED


class Refusal(Failure):
    """The request is wrong or incomplete; nothing was changed."""

    status = REFUSED
