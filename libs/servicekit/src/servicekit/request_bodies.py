"""Reads the body of a request, within limits of size and time."""

import asyncio
from typing import IO

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Message

from common import codec
from common.errors import Invalid, PermanentError, TooLarge

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest JSON body that is read. A message of 50,000 characters is at most 300 kB of escaped JSON."""


class BodyTooSlow(PermanentError):
    """HTTP 408: the body didn't arrive in time."""

    status = 408
    default_code = "body_too_slow"


class RequestBody:
    """The body of ``request``, read when it is first needed, and then kept.

    Postgres can't store U+0000 in text or jsonb, so JSON that holds it is refused here, before it reaches a
    statement.
    """

    def __init__(self, request: Request, max_seconds: float, body: bytes | None = None) -> None:
        """``body`` is one that was read before."""
        self._request, self._max_seconds = request, max_seconds
        self._body = body
        self._replayed = False

    async def read(self) -> bytes:
        """The whole body.

        Raises :class:`TooLarge` over :data:`MAX_BODY_BYTES`, :class:`BodyTooSlow` if it takes longer than
        ``max_seconds``, and :class:`Invalid` for U+0000 and if the client disconnects before its end.
        """
        if self._body is None:
            declared = self._request.headers.get("content-length", "")
            if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
                raise _too_large()
            try:
                async with asyncio.timeout(self._max_seconds):
                    self._body = await self._receive_all()
            except TimeoutError:
                raise BodyTooSlow(f"The body took longer than {self._max_seconds:g} s") from None
            if b"\\u0000" in self._body and _holds_nul(self._body):
                raise Invalid("Validation failed", details={"body": ["U+0000 can't be stored"]})
        return self._body

    async def receive(self) -> Message:
        """ASGI's ``receive`` of a request whose body is this one."""
        if self._replayed:
            return await self._request.receive()
        body = await self.read()
        self._replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def _receive_all(self) -> bytes:
        body = bytearray()
        while True:
            message = await self._request.receive()
            if message["type"] == "http.disconnect":
                raise Invalid("The body broke off")  # part of a body must not pass for a whole one
            body += message.get("body", b"")
            if len(body) > MAX_BODY_BYTES:
                raise _too_large()
            if not message.get("more_body"):
                return bytes(body)


def _too_large() -> TooLarge:
    return TooLarge(f"The body is over {MAX_BODY_BYTES} bytes")


def _holds_nul(body: bytes) -> bool:
    try:
        return codec.has_nul(codec.loads(body))
    except ValueError:
        return False  # it isn't JSON: the route answers with the reason


def fault_of_body(request: Request, error: Exception) -> str | None:
    """What FastAPI didn't say of a body that it refused with ``error``; None if the fault is elsewhere.

    It hands on a body of another media type as bytes, and answers what no parser takes in one sentence.
    """
    if isinstance(error, RequestValidationError):
        whole = any(problem["loc"] == ("body",) for problem in error.errors())
        sent = isinstance(error.body, bytes) and bool(error.body)
        return "must be JSON, with the header Content-Type: application/json" if whole and sent else None
    cause = error.__cause__
    if request.method in ("GET", "HEAD") or cause is None:
        return None
    if isinstance(cause, UnicodeDecodeError):
        return "must be UTF-8"
    if isinstance(cause, RecursionError):
        return "is nested too deeply"
    return "has a number with too many digits" if isinstance(cause, ValueError) else None


async def save_body(request: Request, file: IO[bytes], max_bytes: int, max_seconds: float) -> None:
    """Write the body to ``file``, piece by piece.

    Raises :class:`TooLarge` over ``max_bytes``, :class:`BodyTooSlow` if a piece takes longer than
    ``max_seconds``, and :class:`Invalid` if the client disconnects before the end.
    """
    size = 0
    pieces = request.stream()
    while True:
        try:
            async with asyncio.timeout(max_seconds):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise BodyTooSlow(f"Nothing of the body came for {max_seconds:g} s") from None
        except ClientDisconnect:
            raise Invalid("The body broke off") from None
        if piece is None:
            return
        size += len(piece)
        if size > max_bytes:
            raise TooLarge(f"The body is over {max_bytes} bytes")
        await asyncio.to_thread(file.write, piece)
