"""One hierarchy that separates errors that always recur (permanent) from those that pass (transient).

HTTP answers a permanent error with a 4xx and a transient one with a 503. A stream consumer writes a dead
letter for the first at once, and retries the second for as long as it takes.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

import asyncpg
import redis.exceptions


class TakaroError(Exception):
    """Base of the errors that the services raise on purpose."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal"

    fields: Mapping[str, object] = MappingProxyType({})
    """What the HTTP answer has beside ``error``."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Headers of the HTTP answer."""

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
    """HTTP 401: there are no valid credentials."""

    status = 401
    default_code = "not_authenticated"


class Forbidden(PermanentError):
    """HTTP 403: another user's resource."""

    status = 403
    default_code = "forbidden"

    def __init__(self, reason: str = "Forbidden", *, code: str | None = None) -> None:
        super().__init__(reason, code=code)


class NotFound(PermanentError):
    """HTTP 404."""

    status = 404
    default_code = "not_found"


class Conflict(PermanentError):
    """HTTP 409: the resource exists, or changed meanwhile."""

    status = 409
    default_code = "conflict"


class TooLarge(PermanentError):
    """HTTP 413: the value is over its limit."""

    status = 413
    default_code = "too_large"


class QuotaExceeded(PermanentError):
    """HTTP 429: the user has used what they may for now.

    ``quota`` is JSON that says what, and until when, which is in ``retry_after_seconds``.
    """

    status = 429
    default_code = "quota_exceeded"

    def __init__(self, reason: str, *, quota: Mapping[str, object], retry_after_seconds: int) -> None:
        super().__init__(reason)
        self.fields = {"quota": quota}
        self.headers = {"Retry-After": str(retry_after_seconds)}


class TransientError(TakaroError):
    """A dependency is down or busy; the same request may succeed later."""

    status = 503
    default_code = "unavailable"


class DependencyAway(TransientError):
    """A whole dependency is down. Raised by adapters whose libraries have their own errors for that."""


class SchemaAway(Exception):
    """The schema was taken back below what this code needs, or changed under a statement."""


OUTAGES: tuple[type[BaseException], ...] = (
    DependencyAway,
    SchemaAway,
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
"""Errors that mean a whole dependency is down: everything waits, and no entry counts a failure.

``InsufficientResourcesError`` is class 53 (disk full, out of memory, too many connections),
``PostgresSystemError`` class 58 (I/O error); ``OutOfMemoryError`` is Redis at ``maxmemory``. asyncpg raises
``InternalClientError`` ("cannot switch to state …") when a connection that the server cut in mid-statement is
used again before it is known to be closed.
"""

_PASSING_REPLY = re.compile(
    r"(?:caused error: \(['\"])?(?:Transaction discarded because of: )?"
    r"(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNBLOCKED) "
)
"""Replies of a Redis that temporarily can't write. redis-py has no classes for ``NOREPLICAS`` (too few
replicas), ``MISCONF`` (its disk is full), ``BUSY`` (a script runs) and ``UNBLOCKED`` (it became a replica).
Any of them may be the reason of an ``EXECABORT``. A pipeline puts its command before the reply."""

BUSY: tuple[type[BaseException], ...] = (
    TransientError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""Temporary errors that concern the rows of one request: that request is retried."""


def is_outage(error: BaseException) -> bool:
    """Whether the error means that a dependency is down. An ``InterfaceError`` for a value that asyncpg can't
    send doesn't."""
    if isinstance(error, redis.exceptions.ResponseError):
        reply = str(error).rpartition(" of pipeline ")[2]
        return isinstance(error, OUTAGES) or _PASSING_REPLY.match(reply) is not None
    return isinstance(error, OUTAGES) and not isinstance(error, ValueError)


def is_transient(error: BaseException) -> bool:
    """Whether the same action may succeed later."""
    return is_outage(error) or isinstance(error, BUSY)
