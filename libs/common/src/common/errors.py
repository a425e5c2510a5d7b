"""One hierarchy: what will never work (permanent) apart from what may work later (transient).

HTTP answers the first with a 4xx, the second with a 503. A stream consumer dead-letters the first at once
and tries the second again for as long as it takes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import asyncpg
import redis.exceptions


class TakaroError(Exception):
    """Root of the errors that the services raise on purpose."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal"

    def __init__(self, reason: str, *, code: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code or self.default_code


class PermanentError(TakaroError):
    """The request can't succeed, however often it is repeated."""

    status = 400
    default_code = "invalid"


class Invalid(PermanentError):
    """Malformed or out of bounds. ``details`` maps a field to its messages."""

    def __init__(
        self, reason: str, *, code: str | None = None, details: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__(reason, code=code)
        self.details = details


class NotAuthenticated(PermanentError):
    status = 401
    default_code = "not_authenticated"


class Forbidden(PermanentError):
    status = 403
    default_code = "forbidden"

    def __init__(self, reason: str = "Forbidden", *, code: str | None = None) -> None:
        super().__init__(reason, code=code)


class NotFound(PermanentError):
    status = 404
    default_code = "not_found"


class Conflict(PermanentError):
    status = 409
    default_code = "conflict"


class TooLarge(PermanentError):
    status = 413
    default_code = "too_large"


class TransientError(TakaroError):
    """A dependency is away or busy; the same request may succeed later."""

    status = 503
    default_code = "unavailable"


class DependencyAway(TransientError):
    """A whole dependency is away, say the adapters whose libraries have errors of their own for it."""


OUTAGES: tuple[type[BaseException], ...] = (
    DependencyAway,
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidPasswordError,
    asyncpg.PostgresSystemError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.BusyLoadingError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
    TimeoutError,
)
"""Errors that say a whole dependency is away: everything waits, and nobody is to blame.

``InsufficientResourcesError`` is class 53 (disk full, out of memory, too many connections),
``PostgresSystemError`` class 58 (I/O error); ``OutOfMemoryError`` is Redis at ``maxmemory``.
``InternalClientError`` is what asyncpg says of a connection that the server cut in mid-statement ("cannot
switch to state …"), when it is used once more before it is known to be closed.
"""

_PASSING_REPLY = re.compile(
    r"(?:caused error: \(['\"])?(?:Transaction discarded because of: )?"
    r"(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNBLOCKED) "
)
"""Replies of a Redis that can't write for now. redis-py has no classes for ``NOREPLICAS`` (too few replicas),
``MISCONF`` (its disk is full), ``BUSY`` (a script runs) and ``UNBLOCKED`` (it became a replica), and any of
them may be the reason of an ``EXECABORT``. A pipeline puts its command before the reply."""

BUSY: tuple[type[BaseException], ...] = (
    TransientError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""Errors that pass, and concern the rows that one request touches: that request is tried again."""


def is_outage(error: BaseException) -> bool:
    """Whether a dependency is away. A value that asyncpg can't send is an InterfaceError, and no outage."""
    if isinstance(error, redis.exceptions.ResponseError):
        reply = str(error).rpartition(" of pipeline ")[2]
        return isinstance(error, OUTAGES) or _PASSING_REPLY.match(reply) is not None
    return isinstance(error, OUTAGES) and not isinstance(error, ValueError)


def is_transient(error: BaseException) -> bool:
    return is_outage(error) or isinstance(error, BUSY)
