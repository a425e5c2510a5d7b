"""Request metrics, and the span of each request.

OpenTelemetry's own ASGI middleware collects a request's attributes, sampled or not, and wraps each message in
both directions: 11 % of a service's time with one request in ten traced. This one asks the sampler first.
Attribute names are those of the stable HTTP conventions (semantic conventions 1.23 and later, "HTTP spans").
"""

import re
import time
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from common import telemetry

REQUESTS = Histogram(
    "takaro_http_request_seconds",
    "Time to answer a request, to its first byte",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

_UNTRACED = re.compile(
    r"/(?:health|ready|metrics|openapi\.json|asyncapi\.json|(?:docs|asyncapi)(?:/assets/.*)?)"
)
"""Paths that operators and monitoring request. Full paths: a knowledge base may be called ``docs``."""


class ObserveRequests:
    """ASGI middleware: request metrics by route, method and status, and a span of the request's trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._series: dict[tuple[str, str, int], Any] = {}
        self._carriers = frozenset(name.encode() for name in propagate.get_global_textmap().fields)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        span: Span | None = None
        if _UNTRACED.fullmatch(scope["path"]) is None:
            parent = self._parent(scope)
            span = telemetry.tracer().start_span(scope["method"], parent, SpanKind.SERVER)
            token = contexts.attach(trace.set_span_in_context(span, parent))

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                status: int = message["status"]
                route: str = getattr(scope.get("route"), "path", "unmatched")
                self._histogram(scope["method"], route, status).observe(time.perf_counter() - started)
                if span is not None and span.is_recording():
                    _describe(span, scope, route, status)
            await send(message)

        if span is None:
            await self._app(scope, receive, observed)
            return
        try:
            await self._app(scope, receive, observed)
        except Exception as error:
            span.record_exception(error)
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            span.end()
            contexts.detach(token)

    def _parent(self, scope: Scope) -> Context:
        """The caller's context, in the formats of ``OTEL_PROPAGATORS``; an empty one starts a trace."""
        sent: dict[str, str] = {}
        for name, value in scope["headers"]:
            if name in self._carriers:
                text = value.decode("latin-1")
                key = name.decode()
                sent[key] = f"{sent[key]},{text}" if key in sent else text
        return propagate.extract(sent, Context()) if sent else Context()

    def _histogram(self, method: str, route: str, status: int) -> Any:
        """The series, without the lookup that ``labels`` makes each time."""
        found = self._series.get((method, route, status))
        if found is None:
            found = self._series[method, route, status] = REQUESTS.labels(method, route, status)
        return found


def _describe(span: Span, scope: Scope, route: str, status: int) -> None:
    headers = dict(scope["headers"])
    host, _, port = headers.get(b"host", b"").decode("latin-1").rpartition(":")
    span.set_attributes(
        {
            "http.request.method": scope["method"],
            "http.response.status_code": status,
            "url.scheme": scope["scheme"],
            "url.path": scope["path"],
            "network.protocol.version": scope["http_version"],
            "user_agent.original": headers.get(b"user-agent", b"").decode("latin-1"),
        }
    )
    if host and port.isdigit():
        span.set_attributes({"server.address": host, "server.port": int(port)})
    elif server := scope.get("server"):
        span.set_attributes({"server.address": server[0], "server.port": server[1]})
    if query := scope["query_string"]:
        span.set_attribute("url.query", query.decode("latin-1"))
    if client := scope.get("client"):
        span.set_attributes({"client.address": client[0], "client.port": client[1]})
    if "route" in scope:
        span.set_attribute("http.route", route)
        span.update_name(f"{scope['method']} {route}")
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))
