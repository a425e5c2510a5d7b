"""Errors as HTTP answers, each with its status and a message without SQL or a stack trace."""

from itertools import islice

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response

from common.errors import BUSY, OUTAGES, Invalid, TakaroError, is_transient
from servicekit.answers import failure
from servicekit.event_sources import refuse

log = structlog.get_logger()

MAX_PROBLEMS = 20
"""Maximum reported faults of a body: a sender can make any number of them."""


def install_error_handlers(app: FastAPI) -> None:
    """Register a handler for each error: a status, and a message without SQL or a stack trace."""
    for transient in OUTAGES + BUSY:
        if not issubclass(transient, TakaroError):  # our own messages name the dependency that is down
            app.add_exception_handler(transient, _unexpected)  # type: ignore[arg-type]
    app.add_exception_handler(TakaroError, _takaro_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _takaro_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TakaroError)
    if isinstance(error, Invalid) and error.details:
        return failure("Validation failed", 400, details=error.details)
    if error.status >= 500:
        log.warning("request failed", error=error.reason, code=error.code)
    return refuse(request.scope, error.reason, error.status)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    details: dict[str, list[str]] = {}
    for problem in islice(error.errors(), MAX_PROBLEMS):
        where = [str(part) for part in problem["loc"] if part not in ("body", "path", "query", "header")]
        if problem["type"] == "json_invalid":
            where = []  # its place is a byte offset, not a field
        message = str(problem["msg"]).removeprefix("Value error, ")
        details.setdefault(".".join(where) or "body", []).append(message)
    return failure("Validation failed", 400, details=details)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    answer = failure(str(error.detail), error.status_code)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _unexpected(request: Request, error: Exception) -> Response:
    if is_transient(error):
        log.warning("dependency unavailable", error=repr(error))
        return refuse(request.scope, "The service is temporarily unavailable, try again", 503)
    log.error("request failed", exc_info=error)
    return failure("Internal server error", 500)
