"""Errors as HTTP answers, each with its status and a message without SQL or a stack trace."""

from collections.abc import Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from opentelemetry import trace
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from common.errors import (
    BUSY,
    OUTAGES,
    Invalid,
    TakaroError,
    TransientError,
    is_transient,
)
from servicekit.answers import failure
from servicekit.event_sources import refuse

log = structlog.get_logger()

MAX_PROBLEMS = 20
"""Maximum reported faults of a body: a sender can make any number of them."""

CODE, TRACE_ID = "X-Error-Code", "X-Trace-Id"
"""Headers of a refusal: what it is in one word, for programs; and the trace that operators can look up."""


def install_error_handlers(app: FastAPI) -> None:
    """Register a handler for each error: a status, and a message without SQL or a stack trace."""
    for transient in OUTAGES + BUSY:
        if not issubclass(transient, TakaroError):  # our own messages name the dependency that is down
            app.add_exception_handler(transient, _unexpected)  # type: ignore[arg-type]
    app.add_exception_handler(TakaroError, _takaro_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def answer_to(request: Request, error: Exception) -> Response:
    """The answer to a request that failed with ``error``, for what isn't answered by a route."""
    if isinstance(error, TakaroError):
        return await _takaro_error(request, error)
    return await _unexpected(request, error)


async def _takaro_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TakaroError)
    if isinstance(error, Invalid) and error.details:
        return _labelled(failure("Validation failed", 400, details=error.details), error.code)
    if error.status >= 500:
        log.warning("request failed", error=error.reason, code=error.code)
    answer = (
        failure(error.reason, error.status, **error.fields)
        if error.fields
        else refuse(request.scope, error.reason, error.status)
    )
    answer.headers.update(error.headers)
    return _labelled(answer, error.code)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    details: dict[str, list[str]] = {}
    for problem in islice(error.errors(), MAX_PROBLEMS):
        where = [str(part) for part in problem["loc"][1:]]  # the first is the part of the request
        if problem["type"] == "json_invalid":
            where = []  # its place is a byte offset, not a field
        message = _message(problem)
        details.setdefault(".".join(where) or "body", []).append(message)
    return _labelled(failure("Validation failed", 400, details=details), Invalid.default_code)


def _message(problem: Mapping[str, Any]) -> str:
    """Of a text that is checked before its length is, Pydantic says that it has items."""
    limits = problem.get("ctx", {})
    if isinstance(problem.get("input"), str):
        if problem["type"] == "too_long":
            return f"String should have at most {limits['max_length']} characters"
        if problem["type"] == "too_short":
            return f"String should have at least {limits['min_length']} character(s)"
    return str(problem["msg"]).removeprefix("Value error, ")


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    answer = failure(str(error.detail), error.status_code)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return _labelled(answer, HTTPStatus(error.status_code).name.lower())


async def _unexpected(request: Request, error: Exception) -> Response:
    if is_transient(error):
        log.warning("dependency unavailable", error=repr(error))
        answer = refuse(request.scope, "The service is temporarily unavailable, try again", 503)
        return _labelled(answer, TransientError.default_code)
    log.error("request failed", exc_info=error)
    return _labelled(failure("Internal server error", 500), TakaroError.default_code)


def _labelled(answer: Response, code: str) -> Response:
    answer.headers[CODE] = code
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        answer.headers[TRACE_ID] = trace.format_trace_id(context.trace_id)
    return answer


def _methods(request: Request) -> set[str]:
    """The methods of all routes with the request's path. Starlette names those of the first one only."""
    found: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path and route.methods and compile_path(route.path)[0].match(request.scope["path"]):
            found |= route.methods
    return found | ({"HEAD"} if "GET" in found else set())
