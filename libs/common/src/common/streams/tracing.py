"""Spans of a batch: each message is processed in its own trace, and the batch span links to all of them.

Names follow OpenTelemetry's messaging conventions (semantic conventions 1.3x, "Messaging spans").
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from common import telemetry
from common.handlers import Rejection
from common.streams.group import Group
from common.streams.validation import Item


class BatchSpan:
    """The process spans of a batch's messages, ended when the batch has committed."""

    def __init__(self, spans: Sequence[Span | None]) -> None:
        self._spans = spans

    def finish(self, rejected: Mapping[int, Rejection]) -> None:
        for i, rejection in rejected.items():
            span = self._spans[i] if self._spans else None
            if span is not None:
                span.set_attribute("error.type", rejection.code)
                span.set_status(Status(StatusCode.ERROR, rejection.reason))


@contextmanager
def batch_span(group: Group, items: Sequence[Item]) -> Iterator[BatchSpan]:
    """Spans for one attempt at ``items``; commands get the context of theirs, for the facts they cause."""
    if not telemetry.recording():
        yield BatchSpan([])
        return
    common: dict[str, str | int] = {
        "messaging.system": "redis",
        "messaging.destination.name": group.stream,
        "messaging.consumer.group.name": group.name,
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
    }
    name = f"process {group.stream}"
    tracer = telemetry.tracer()
    spans: list[Span | None] = []
    for item in items:
        if item.command is None:
            spans.append(None)
            continue
        event = item.command.event
        span = tracer.start_span(
            name,
            context=telemetry.context_of(event.traceparent),
            kind=SpanKind.CONSUMER,
            attributes={
                **common,
                "messaging.message.id": event.entry_id,
                "cloudevents.event_id": event.id,
                "cloudevents.event_type": event.type,
                "cloudevents.event_source": event.source,
            },
        )
        item.command.traceparent = telemetry.format_traceparent(span.get_span_context())
        spans.append(span)
    links = telemetry.links_to([item.command.traceparent for item in items if item.command])
    attributes = {**common, "messaging.batch.message_count": len(items)}
    # A batch of one belongs to its message's trace: its SQL is then seen where people look for it.
    parent = items[0].command.traceparent if len(items) == 1 and items[0].command else None
    try:
        with telemetry.span(f"{name} batch", parent=parent, root=True, attributes=attributes, links=links):
            yield BatchSpan(spans)
    except Exception as error:
        for span in filter(None, spans):
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        for span in filter(None, spans):
            span.end()
