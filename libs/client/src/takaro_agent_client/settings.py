"""Where the services are, and who is asking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from takaro_agent_client.calls import Service
from takaro_agent_client.retries import Retrying

Trace = Callable[[], Mapping[str, str]]
"""Returns the headers of the caller's trace context: ``traceparent``, ``tracestate``."""


def current_trace() -> Mapping[str, str]:
    """The headers of OpenTelemetry's current span, if the caller uses OpenTelemetry and is in one."""
    try:
        from opentelemetry import propagate, trace
    except ImportError:
        return {}
    if not trace.get_current_span().get_span_context().is_valid:
        return {}
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


class Options(TypedDict, total=False):
    """The fields of :class:`Settings` but for the origin, as a client takes them."""

    chat: str | None
    knowledge: str | None
    cockpit: str | None
    token: str | Callable[[], str] | None
    user: str | None
    agents: Sequence[str] | None
    timeout_seconds: float
    retrying: Retrying
    trace: Trace


@dataclass(frozen=True, slots=True)
class Settings:
    """How a client speaks to the services.

    ``origin`` is the address of all three behind one proxy; ``chat``, ``knowledge`` and ``cockpit`` are
    addresses of their own, which win. ``token`` is a bearer token, or a function that returns the current
    one. Where the services trust it (``AUTH_MODE=dev``), ``user`` is the caller's id, and ``agents`` are
    those whose runtime it is. ``timeout_seconds`` bounds each part of a request: connecting, sending, and
    waiting for bytes.
    """

    origin: str | None = None
    chat: str | None = None
    knowledge: str | None = None
    cockpit: str | None = None
    token: str | Callable[[], str] | None = None
    user: str | None = None
    agents: Sequence[str] | None = None
    timeout_seconds: float = 30.0
    retrying: Retrying = field(default_factory=Retrying)
    trace: Trace = current_trace

    def address(self, service: Service) -> str:
        """The service's address. Raises ``ValueError`` if it was not given."""
        given: str | None = getattr(self, service) or self.origin
        if given is None:
            raise ValueError(f"the address of {service} is missing: give origin=… or {service}=…")
        return given.rstrip("/")

    def headers(self) -> dict[str, str]:
        """Who is asking, and in which trace."""
        said = dict(self.trace())
        if self.token is not None:
            said["Authorization"] = f"Bearer {self.token() if callable(self.token) else self.token}"
        if self.user is not None:
            said["X-User-Id"] = self.user
        if self.agents is not None:
            said |= {"X-Scope": "agent", "X-Agents": ",".join(self.agents)}
        return said
