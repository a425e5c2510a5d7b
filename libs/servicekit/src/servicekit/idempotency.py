"""Requests with an ``Idempotency-Key`` have their effect once, and each repetition gets the same answer.

The claim on the key, the effects of the request and its answer commit in one transaction, which the use cases
inside join (:mod:`common.ambient`). Only a success is kept: an error leaves no effect, so its repetition may
as well be carried out, and the cause may be gone by then.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Scope

from backbone import idempotency
from backbone.idempotency import Answer, Key
from common.ambient import joining
from common.errors import Conflict, Invalid, PermanentError, TooLarge
from common.postgres import Pool, transaction, tried_again
from servicekit.settings import ServiceSettings

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
"""Header of an answer that was kept."""

MAX_KEY = 255
"""Characters of a key."""
KEY_PATTERN = "^[!-~]+$"
"""Printable ASCII without spaces."""

POLL_SECONDS = 0.1
"""How often it is asked whether another process has finished the first request."""

_NAME = HEADER.lower().encode()
_OF_THE_BODY = (b"content-length",)


class KeyReused(PermanentError):
    """HTTP 422: the key belongs to another request."""

    status = 422
    default_code = "idempotency_key_reused"


@dataclass(slots=True)
class _Turn:
    """Requests of this process with one key: they come one after the other."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    requests: int = 0


class _Failed(Exception):
    """The endpoint answered with an error: the transaction is rolled back, and the answer sent."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def key_of(scope: Scope) -> str | None:
    """The request's key. Raises :class:`Invalid` for one that can't be kept."""
    found = [value for name, value in scope["headers"] if name == _NAME]
    if not found:
        return None
    if len(found) > 1:
        raise _invalid("must be sent once")
    key: str = found[0].decode("latin-1").strip()
    if not 1 <= len(key) <= MAX_KEY:
        raise _invalid(f"must have 1 to {MAX_KEY} characters")
    if not all("!" <= character <= "~" for character in key):
        raise _invalid("must be printable ASCII without spaces")
    return key


def _invalid(fault: str) -> Invalid:
    return Invalid("Validation failed", details={HEADER: [fault]})


class AnsweredOnce:
    """The requests of one process that have a key."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._service = settings.service
        self._kept_seconds = settings.idempotency_retention_seconds
        self._wait_seconds = settings.idempotency_wait_seconds
        self._max_bytes = settings.idempotency_answer_max_bytes
        self._turns: dict[Key, _Turn] = {}

    async def answer(
        self, pool: Pool, request: Request, key: str, body: bytes, run: Callable[[], Awaitable[Response]]
    ) -> Response:
        """The answer of ``run``, which is called unless the answer is kept already.

        A second request waits while the first one runs, without holding a connection; then raises
        :class:`Conflict`. Raises :class:`KeyReused` if the key belongs to another path or body.
        """
        whole = Key(self._service, request.state.caller.user_id, key)
        digest = digest_of(request.scope, body)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_seconds
        async with self._turn(whole, deadline):
            while True:
                response = await self._attempt(pool, whole, digest, run)
                if response is not None:
                    return response
                if loop.time() + POLL_SECONDS > deadline:
                    raise _still_running()
                await asyncio.sleep(POLL_SECONDS)

    @asynccontextmanager
    async def _turn(self, key: Key, deadline: float) -> AsyncIterator[None]:
        turn = self._turns.setdefault(key, _Turn())
        turn.requests += 1
        try:
            try:
                async with asyncio.timeout_at(deadline):
                    await turn.lock.acquire()
            except TimeoutError:
                raise _still_running() from None
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.requests -= 1
            if not turn.requests:
                del self._turns[key]

    @tried_again
    async def _attempt(
        self, pool: Pool, key: Key, digest: bytes, run: Callable[[], Awaitable[Response]]
    ) -> Response | None:
        """``None`` if a request with this key runs in another process."""
        try:
            async with transaction(pool) as connection:
                if not await idempotency.try_lock(connection, key):
                    return None
                kept = await idempotency.get_answer(connection, key, kept_seconds=self._kept_seconds)
                if kept is not None:
                    return _replayed(kept, digest)
                with joining(pool, connection):
                    response = await self._whole(await run())
                await idempotency.upsert_answer(connection, key, _answer(digest, response))
        except _Failed as failed:
            return failed.response
        return response

    async def _whole(self, response: Response) -> Response:
        """The response with its whole body, which is read inside the transaction if it is a stream."""
        if response.status_code >= 400:
            raise _Failed(response)
        if isinstance(response, StreamingResponse):
            body = bytearray()
            async for chunk in response.body_iterator:
                body += chunk.encode() if isinstance(chunk, str) else chunk
                self._check_size(len(body))
            headers = [pair for pair in response.raw_headers if pair[0] not in _OF_THE_BODY]
            response = _response(response.status_code, headers, bytes(body))
        self._check_size(len(response.body))
        return response

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLarge(
                f"Nothing was done: the answer to a request with {HEADER} has at most {self._max_bytes} "
                "bytes. Send the request in smaller parts, or without the header",
                code="answer_too_large",
            )


def digest_of(scope: Scope, body: bytes) -> bytes:
    """What makes two requests the same one: method, path, query and body, byte by byte."""
    path = scope.get("raw_path") or scope["path"].encode()
    return sha256(b"\n".join((scope["method"].encode(), path, scope["query_string"], body))).digest()


def _still_running() -> Conflict:
    return Conflict(f"A request with this {HEADER} still runs, try again", code="idempotency_key_in_use")


def _answer(digest: bytes, response: Response) -> Answer:
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in response.raw_headers
        if name not in _OF_THE_BODY
    ]
    return Answer(digest, response.status_code, headers, bytes(response.body))


def _replayed(kept: Answer, digest: bytes) -> Response:
    if kept.digest != digest:
        raise KeyReused(f"This {HEADER} was used for another request: another path, query or body")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept.headers]
    response = _response(kept.status, headers, kept.body)
    response.headers[REPLAYED] = "true"
    return response


def _response(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Response:
    response = Response(body, status)
    response.raw_headers.extend(headers)
    return response
