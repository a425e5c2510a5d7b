"""Refuses request bodies that are too large or impossible to store."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import codec
from servicekit.answers import failure

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest JSON body that is read. A message of 50,000 characters is at most 300 kB of escaped JSON."""


class GuardBody:
    """ASGI middleware: refuses bodies that are too large, and JSON bodies that hold U+0000.

    Postgres can't store U+0000 in text or jsonb, so it is refused here, before it reaches a statement.
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
        return False  # it isn't JSON: the route answers with the reason
