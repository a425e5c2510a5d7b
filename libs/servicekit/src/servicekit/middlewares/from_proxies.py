"""Which requests come from a trusted reverse proxy."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_PEER = "takaro.peer"
"""In an ASGI scope: the address that connected to us, and the addresses of trusted proxies."""


class FromProxies:
    """ASGI middleware: uvicorn's, which takes the client's address and the scheme from a trusted proxy's
    ``X-Forwarded-For`` and ``X-Forwarded-Proto``. This one also notes who connected, for
    ``X-Forwarded-Host``, which uvicorn doesn't know.

    ``trusted`` are addresses and networks, separated by commas; ``*`` trusts everybody.
    """

    def __init__(self, app: ASGIApp, *, trusted: str) -> None:
        self._inner = ProxyHeadersMiddleware(app, trusted)  # type: ignore[arg-type]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Every request passes here, so this is no coroutine around another one."""
        scope[_PEER] = scope.get("client"), self._inner.trusted_hosts
        return self._inner(scope, receive, send)  # type: ignore[arg-type]


def came_from_proxy(scope: Scope) -> bool:
    """Whether a trusted proxy sent the request."""
    peer, trusted = scope.get(_PEER, (None, ()))
    return peer is not None and peer[0] in trusted
