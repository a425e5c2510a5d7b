"""Spans of a batch: each message is processed in its own trace, and the batch span links to all of them.

Names follow OpenTelemetry's messaging conventions (semantic conventions 1.3x, "Messaging spans").
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from structlog.contextvars import bound_contextvars

from backbone.events import Event
from backbone.handlers import Rejection
from backbone.source import Source
from backbone.validation import Item
from common import telemetry
from common.trace_context import below, context_of, continuing


class BatchSpan:
    """The process spans of a batch's messages, ended when the batch has committed."""

    def __init__(self, spans: Mapping[int, Span]) -> None:
        self._spans = spans

    def finish(self, rejected: Mapping[int, Rejection]) -> None:
        """Mark the messages that were rejected."""
        for i, rejection in rejected.items():
            if span := self._spans.get(i):
                span.set_attribute("error.type", rejection.code)
                span.set_status(Status(StatusCode.ERROR, rejection.reason))


@contextmanager
def batch_span(source: Source, items: Sequence[Item]) -> Iterator[BatchSpan]:
    """Spans for one attempt at ``items``. Commands get the context of their span, for the facts they cause.

    Entries that are passed over get no span. A message alone in its batch has everything in its own trace, so
    that logs and spans made meanwhile belong to it.
    """
    about = {i: item.event for i, item in enumerate(items) if item.event and (item.command or item.rejection)}
    [only] = about.values() if len(about) == 1 else [None]
    with bound_contextvars(event_id=only.id) if only else nullcontext():
        if not about or not telemetry.recording():
            with continuing(only.trace if only else None):
                yield BatchSpan({})
            return
        with _recorded(source, items, about) as span:
            yield span


@contextmanager
def _recorded(source: Source, items: Sequence[Item], about: Mapping[int, Event]) -> Iterator[BatchSpan]:
    name = f"process {source.stream}"
    common: dict[str, str | int] = {
        "messaging.system": source.system,
        "messaging.destination.name": source.stream,
        "messaging.consumer.group.name": source.name,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
    }
    spans = {}
    for i, event in about.items():
        spans[i] = telemetry.tracer().start_span(
            name,
            context=context_of(event.trace),
            kind=SpanKind.CONSUMER,
            attributes={
                **common,
                "messaging.message.id": event.entry_id,
                "cloudevents.event_id": event.id,
                "cloudevents.event_type": event.type,
                "cloudevents.event_source": event.source,
            },
        )
        if command := items[i].command:
            command.trace = below(event.trace, spans[i].get_span_context())
    contexts = [span.get_span_context() for span in spans.values()]
    parent = None
    if len(spans) == 1:
        [(i, only)] = spans.items()
        parent = below(about[i].trace, only.get_span_context())
    try:
        with telemetry.span(
            f"{name} batch",
            parent=parent,
            root=True,
            attributes={**common, "messaging.batch.message_count": len(items)},
            links=[Link(context) for context in contexts],
        ):
            yield BatchSpan(spans)
    except Exception as error:
        for span in spans.values():
            span.record_exception(error)
            span.set_attribute("error.type", type(error).__qualname__)
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        for span in spans.values():
            span.end()
