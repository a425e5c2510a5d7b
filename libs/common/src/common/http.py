"""HTTP as the existing system speaks it: ``{"data": …}`` and ``{"error": "message"}``, JSON in camelCase."""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import Histogram
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import codec
from common.errors import BUSY, OUTAGES, Invalid, TakaroError, is_transient

log = structlog.get_logger()

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest JSON body that is read: 50,000 characters of a message are at most 300 kB of escaped JSON."""


class Body(BaseModel):
    """Base of request bodies: camelCase, no coercion of strings to numbers, NaN and infinity refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", strict=True, allow_inf_nan=False
    )


class JSONAnswer(Response):
    """A response encoded with the one JSON encoder."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return codec.dumps(content)


def data(value: Any, *, status: int = 200) -> JSONAnswer:
    """``{"data": value}``: ``value`` is made of dicts, lists, dataclasses, UUIDs, dates."""
    return JSONAnswer({"data": value}, status_code=status)


def failure(message: str, status: int, **more: Any) -> JSONAnswer:
    """``{"error": message}`` and what more there is to say."""
    headers = (
        {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "1"} if status == 503 else None
    )
    return JSONAnswer({"error": message, **more}, status_code=status, headers=headers)


def install_error_handlers(app: FastAPI) -> None:
    """Answer each error with its status and a message that holds no SQL and no stack trace."""
    for transient in OUTAGES + BUSY:
        if not issubclass(transient, TakaroError):  # ours say themselves what is away
            app.add_exception_handler(transient, _unexpected)  # type: ignore[arg-type]
    app.add_exception_handler(TakaroError, _takaro_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _takaro_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, TakaroError)
    if isinstance(error, Invalid) and error.details:
        return failure("Validation failed", 400, details=error.details)
    if error.status >= 500:
        log.warning("request failed", error=error.reason, code=error.code)
    return failure(error.reason, error.status)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    details: dict[str, list[str]] = {}
    for problem in error.errors():
        where = [str(part) for part in problem["loc"] if part not in ("body", "path", "query", "header")]
        if problem["type"] == "json_invalid":
            where = []  # its place is a number of bytes, not a field
        message = str(problem["msg"]).removeprefix("Value error, ")
        details.setdefault(".".join(where) or "body", []).append(message)
    return failure("Validation failed", 400, details=details)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    answer = failure(str(error.detail), error.status_code)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _unexpected(_: Request, error: Exception) -> Response:
    if is_transient(error):
        log.warning("dependency unavailable", error=repr(error))
        return failure("The service is temporarily unavailable, try again", 503)
    log.error("request failed", exc_info=error)
    return failure("Internal server error", 500)


REQUESTS = Histogram(
    "takaro_http_request_seconds",
    "Time to answer a request, to its first byte",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class MeasureRequests:
    """ASGI middleware: request metrics by route, method and status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "unmatched")
                labels = (scope["method"], route, message["status"])
                REQUESTS.labels(*labels).observe(time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, measured)


class GuardBody:
    """ASGI middleware: refuses bodies that are too large, and JSON bodies that hold U+0000.

    Postgres can't store U+0000 in text or jsonb, so it is refused at the edge (PITFALLS, Postgres).
    """

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app, self._max = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > self._max:
                await failure(f"The body is over {self._max} bytes", 413)(scope, receive, send)
                return
            if not message.get("more_body"):
                break
        if b"\\u0000" in body and _holds_nul(bytes(body)):
            answer = failure("Validation failed", 400, details={"body": ["U+0000 can't be stored"]})
            await answer(scope, receive, send)
            return
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, replay, send)


def _holds_nul(body: bytes) -> bool:
    try:
        return codec.has_nul(codec.loads(body))
    except ValueError:
        return False  # no JSON: the route answers with the reason


def require_storable(fields: Sequence[tuple[str, str | None]]) -> None:
    """Refuse query and path texts that Postgres can't store. Raises :class:`Invalid`."""
    for name, value in fields:
        if value is not None and "\x00" in value:
            raise Invalid("Validation failed", details={name: ["U+0000 can't be stored"]})
