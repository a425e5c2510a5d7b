"""What a service answers is for its caller alone: no shared cache may keep it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OF_CALLERS = ("/api/", "/auth/")
_PRIVATE = (b"cache-control", b"private")


class PrivateAnswers:
    """ASGI middleware: answers that don't say who may keep them get ``Cache-Control: private``.

    Caches know of themselves that an answer to ``Authorization`` is private, and not that one to a cookie is
    (RFC 9111, section 3.5).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_OF_CALLERS):
            await self._app(scope, receive, send)
            return

        async def send_private(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                if not any(name == b"cache-control" for name, _ in headers):
                    message["headers"] = [*headers, _PRIVATE]
            await send(message)

        await self._app(scope, receive, send_private)
