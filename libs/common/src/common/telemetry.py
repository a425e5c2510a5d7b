"""Tracing and logs: one request is one trace, and its log lines carry the trace's ids.

Spans are exported over OTLP if ``OTEL_EXPORTER_OTLP_ENDPOINT`` (or its ``…_TRACES_…`` form) is set. Without
it nothing is recorded, but ids still travel from request to event, so that the logs of a chain can be joined.
"""

import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, _get_from_env_or_default
from opentelemetry.trace import Link, Span, SpanContext, SpanKind
from opentelemetry.util.types import Attributes
from structlog.typing import EventDict, WrappedLogger

from common.query_spans import OnlyInTraces
from common.trace_context import TraceContext, carrying, context_of, span_context_of

log = structlog.get_logger()

STOP_SECONDS = 1.0
"""Maximum time that the export of the last spans may delay the end of a process."""

EXPORTED_AT_ONCE = "128"
"""Spans that are encoded together, unless ``OTEL_BSP_MAX_EXPORT_BATCH_SIZE`` says otherwise. The event loop
hardly runs meanwhile, so the SDK's 512 double the p99 of a service that traces one request in ten."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def setup(service: str, instance: str, *, log_level: str = "info") -> TracerProvider:
    """Configure tracing and JSON logs for this process. Call :func:`shutdown` before the process ends.

    Call it before anything is instrumented. Attribute names are the stable ones of OpenTelemetry's
    conventions, unless ``OTEL_SEMCONV_STABILITY_OPT_IN`` says otherwise.
    """
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database")
    _setup_logs(service, log_level)
    exporting = any(os.environ.get(name) for name in _ENDPOINTS)
    resource = Resource.create(
        {"service.name": os.environ.get("OTEL_SERVICE_NAME") or service, "service.instance.id": instance}
    )
    # The sampler that OTEL_TRACES_SAMPLER names; by default parentbased_always_on.
    sampler = OnlyInTraces(_get_from_env_or_default()) if exporting else ALWAYS_OFF
    provider = TracerProvider(resource=resource, sampler=sampler)
    if exporting:
        os.environ.setdefault("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", EXPORTED_AT_ONCE)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def shutdown(provider: TracerProvider) -> None:
    """Export the last spans. They are lost if the collector doesn't take them within :data:`STOP_SECONDS`.

    The exporter itself would try again for up to 30 s, and can't be interrupted while a collector is silent.
    """
    ending = threading.Thread(target=provider.shutdown, name="last spans", daemon=True)
    ending.start()
    ending.join(STOP_SECONDS)
    if ending.is_alive():
        log.warning("the last spans were not exported: the collector didn't answer", seconds=STOP_SECONDS)
        # The thread lives until the process ends. Python aborts if it is writing to stdout at that moment.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)


def tracer() -> trace.Tracer:
    """The tracer of all our spans."""
    return _tracer_of(trace.get_tracer_provider())


@cache
def _tracer_of(provider: trace.TracerProvider) -> trace.Tracer:
    """Made once: the SDK makes a new one for each call, which takes as long as a span."""
    return provider.get_tracer("takaro")


def recording() -> bool:
    """Whether spans are recorded. Hot paths don't create any otherwise."""
    provider = trace.get_tracer_provider()
    return isinstance(provider, TracerProvider) and provider.sampler is not ALWAYS_OFF


@contextmanager
def span(
    name: str,
    *,
    parent: TraceContext | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes = None,
    links: Sequence[Link] = (),
    root: bool = False,
) -> Iterator[Span]:
    """A current span below ``parent``. With ``root`` it starts a trace if there is no parent."""
    context = context_of(parent) if parent or root else None
    with (
        carrying(parent),
        tracer().start_as_current_span(
            name, context=context, kind=kind, attributes=attributes, links=links
        ) as current,
    ):
        try:
            yield current
        except Exception as error:
            current.set_attribute("error.type", type(error).__qualname__)
            raise


def links_to(traces: Sequence[TraceContext | None]) -> list[Link]:
    """Links to the given spans, without contexts that are absent or malformed."""
    found = (span_context_of(context) for context in traces)
    return [Link(context) for context in found if context is not None]


def log_fields(context: TraceContext | None) -> dict[str, str]:
    """``trace_id`` and ``span_id`` for a log line about work whose span has ended."""
    return _ids(span_context_of(context))


def _ids(context: SpanContext | None) -> dict[str, str]:
    if context is None or not context.is_valid:
        return {}
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


def _add_trace_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event.update(_ids(trace.get_current_span().get_span_context()))
    return event


def _setup_logs(service: str, level: str) -> None:
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _add_trace_ids,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )

    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {"service": service, **event}

    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                add_service,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn.access", "faststream", "aiokafka"):
        logging.getLogger(noisy).setLevel("WARNING")
