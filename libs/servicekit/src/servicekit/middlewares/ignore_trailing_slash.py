"""A path with a trailing slash is the path without it."""

from starlette.types import ASGIApp, Receive, Scope, Send


class IgnoreTrailingSlash:
    """ASGI middleware: takes slashes off the end of the path.

    A redirect would lead to ``http://`` behind a proxy that ends TLS, and loses the body of a POST. A
    percent-encoded slash (``%2F``) belongs to a name, and stays.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw = scope.get("raw_path") or scope["path"].encode()
            extra = len(raw) - len(raw.rstrip(b"/") or b"/")
            if extra:
                scope = {**scope, "path": scope["path"][:-extra], "raw_path": raw[:-extra]}
        await self._app(scope, receive, send)
