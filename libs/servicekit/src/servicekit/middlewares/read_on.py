"""An answer that comes before the whole request was read reaches its sender."""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BYTES = 64 * 1024 * 1024
MAX_SECONDS = 10.0


class ReadOn:
    """ASGI middleware: after an answer, reads the rest of the request's body and drops it.

    If a server closes a connection while its client sends, the client may never see the answer (RFC 9112,
    section 9.6): a 413 or a 401 would look like a connection reset. So the answer is sent at once, and only
    its end waits for the rest of the body, up to :data:`MAX_BYTES` and :data:`MAX_SECONDS`. If there is more,
    the server closes the connection (:mod:`servicekit.connections`).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        # A client that waits for "100 Continue" sends nothing until it is asked to.
        asked = not any(name == b"expect" for name, _ in scope["headers"])
        ended = False

        async def watched() -> Message:
            nonlocal asked, ended
            asked = True
            message = await receive()
            ended = not message.get("more_body")
            return message

        async def finish(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body")
            if not last or ended or not asked:
                await send(message)
                return
            await send({**message, "more_body": True})
            await _drop_rest(watched)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app(scope, watched, finish)


async def _drop_rest(receive: Receive) -> None:
    left = MAX_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(MAX_SECONDS):
            while left > 0:
                message = await receive()
                if not message.get("more_body"):  # the end of the body, or of the connection
                    return
                left -= len(message["body"])


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
