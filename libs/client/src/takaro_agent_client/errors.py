"""What can go wrong, as exceptions: one for each way to react."""

from collections.abc import Mapping
from typing import Any, ClassVar

CODE, TRACE_ID = "x-error-code", "x-trace-id"


class ClientError(Exception):
    """Base of all errors of this package."""


class ConnectionFailed(ClientError):
    """No answer came: the service can't be reached, or broke off. What was sent may have been carried out."""


class Refused(ClientError):
    """The service answered with an error.

    ``status`` is HTTP's, ``code`` one word for programs, ``message`` a sentence for people, ``details`` what
    is wrong with which field, ``trace_id`` what the service's operators can look up, ``body`` the whole JSON.
    """

    statuses: ClassVar[tuple[int, ...]] = ()

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        details: Mapping[str, list[str]] | None = None,
        trace_id: str | None = None,
        retry_after: float | None = None,
        body: Any = None,
    ) -> None:
        said = "; ".join(f"{field}: {', '.join(texts)}" for field, texts in (details or {}).items())
        trace = f" (trace {trace_id})" if trace_id else ""
        super().__init__(f"{status}: {message}{f' ({said})' if said else ''}{trace}")
        self.status, self.message, self.code = status, message, code
        self.details: Mapping[str, list[str]] = details or {}
        self.trace_id, self.retry_after, self.body = trace_id, retry_after, body


class Invalid(Refused):
    """400 or 422: the request is wrong; ``details`` names the fields."""

    statuses = (400, 422)


class NotAuthenticated(Refused):
    """401: no credentials, or they are invalid or expired."""

    statuses = (401,)


class Forbidden(Refused):
    """403: another user's, or the token lacks a scope."""

    statuses = (403,)


class NotFound(Refused):
    """404."""

    statuses = (404,)


class Conflict(Refused):
    """409 or 412: it exists, or changed meanwhile. ``body`` has what the service says of the current one."""

    statuses = (409, 412)


class TooLarge(Refused):
    """413: over a limit of size."""

    statuses = (413,)


class TooMany(Refused):
    """429: too many requests, streams or tokens; ``retry_after`` says when to come back."""

    statuses = (429,)


class Unavailable(Refused):
    """5xx: the service or something that it needs is away."""


_BY_STATUS = {status: kind for kind in Refused.__subclasses__() for status in kind.statuses}


def refusal(status: int, headers: Mapping[str, str], body: Any) -> Refused:
    """The exception for an answer: ``body`` is its parsed JSON, or its text."""
    said: Mapping[str, Any] = body if isinstance(body, dict) else {}
    message = said.get("error")
    details = said.get("details")
    kind = Unavailable if status >= 500 else _BY_STATUS.get(status, Refused)
    return kind(
        status,
        message if isinstance(message, str) else str(body)[:200] or "no text",
        code=headers.get(CODE),
        details=details if isinstance(details, dict) else None,
        trace_id=headers.get(TRACE_ID),
        retry_after=seconds(headers.get("retry-after")),
        body=body,
    )


def seconds(retry_after: str | None) -> float | None:
    """``Retry-After`` in seconds; ``None`` for a date or nothing."""
    try:
        return None if retry_after is None else max(0.0, float(retry_after))
    except ValueError:
        return None
