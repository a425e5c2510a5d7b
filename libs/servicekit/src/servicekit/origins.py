"""Refuses requests that another site's page makes with a person's cookie (cross-site request forgery).

A browser sends cookies with requests of any page, and says in ``Origin`` whose page it was. So a request that
changes something, and whose credential is a cookie, needs an ``Origin`` that is ours. Source: OWASP's
"Cross-Site Request Forgery Prevention", "Verifying Origin With Standard Headers".
"""

import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from common.errors import Forbidden
from servicekit.middlewares.from_proxies import came_from_proxy

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII | re.IGNORECASE,
)
_PORTS = {"http": "80", "https": "443"}
READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


def read_origin(text: str) -> str:
    """An origin as browsers write it: lower-case, without the scheme's own port.

    Raises ``ValueError`` for anything else than a scheme, a host and perhaps a port.
    """
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise ValueError("is no origin of the form https://host or https://host:port")
    scheme, host, port = found["scheme"].lower(), found["host"].lower(), found["port"]
    return f"{scheme}://{host}" + ("" if port in (None, _PORTS[scheme]) else f":{port}")


def public_origin(scope: Scope) -> str | None:
    """The origin under which a browser knows us, or None if the request doesn't tell.

    ``X-Forwarded-Proto`` and ``X-Forwarded-Host`` count if they come from a trusted proxy. Of several hosts
    the first counts: that of the proxy which the browser reached.
    """
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if came_from_proxy(scope):
        host = headers.get("x-forwarded-host", host).partition(",")[0].strip()
    try:
        return read_origin(f"{scope['scheme']}://{host}")
    except ValueError:
        return None


def check_origin(request: HTTPConnection, allowed: Collection[str]) -> None:
    """Raise :class:`Forbidden` for a request that changes something and whose ``Origin`` is neither the
    public one nor ``allowed``."""
    if request.scope["method"] not in READING:
        require_origin(request, allowed)


def require_origin(request: HTTPConnection, allowed: Collection[str]) -> None:
    """As :func:`check_origin`, for a request of any method."""
    sent = request.headers.getlist("origin")
    if len(sent) != 1:
        raise _refusal("A request with a cookie that changes something needs one `Origin` header")
    expected = public_origin(request.scope)
    try:
        origin = read_origin(sent[0])
    except ValueError:
        origin = ""
    if not origin or (origin != expected and origin not in allowed):
        ours = f"isn't {expected}, the origin of this service" if expected else "isn't this service's"
        raise _refusal(
            f"The request's Origin {ours}. Behind a reverse proxy set FORWARDED_ALLOW_IPS to its address; "
            "if it stands in front of the origin's own proxy, set ORIGIN_TRUSTED_PROXIES too; "
            "list other origins in CORS_ORIGINS"
        )


def _refusal(reason: str) -> Forbidden:
    return Forbidden(reason, code="cross_site_request")
