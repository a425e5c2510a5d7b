"""Store the newest spans, as plain JSON."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

_KINDS = {
    Span.SPAN_KIND_INTERNAL: "internal",
    Span.SPAN_KIND_SERVER: "server",
    Span.SPAN_KIND_CLIENT: "client",
    Span.SPAN_KIND_PRODUCER: "producer",
    Span.SPAN_KIND_CONSUMER: "consumer",
}
_STATUSES = {Status.STATUS_CODE_OK: "ok", Status.STATUS_CODE_ERROR: "error"}


class SpanStore:
    """The newest ``limit`` spans by trace. It drops whole traces, the least recently extended first."""

    def __init__(self, limit: int = 20_000) -> None:
        self._limit = limit
        self._count = 0
        self._traces: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, spans: Iterable[dict[str, Any]]) -> None:
        """Add spans. This may drop old traces."""
        with self._lock:
            for span in spans:
                self._traces.setdefault(span["traceId"], []).append(span)
                self._traces.move_to_end(span["traceId"])
                self._count += 1
            while self._count > self._limit and len(self._traces) > 1:
                _, forgotten = self._traces.popitem(last=False)
                self._count -= len(forgotten)

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The spans of a trace in the order they started; empty for an unknown trace."""
        with self._lock:
            return sorted(self._traces.get(trace_id.lower(), []), key=lambda span: span["startTimeUnixNano"])

    def recent(self, count: int) -> list[dict[str, Any]]:
        """The newest traces: ``traceId, name, services, spans, startTimeUnixNano``."""
        with self._lock:
            newest = islice(reversed(self._traces.items()), count)
            return [_summary(trace_id, spans) for trace_id, spans in newest]


def read_spans(request: ExportTraceServiceRequest) -> Iterator[dict[str, Any]]:
    """The spans of an export: ids in hex, times in Unix nanoseconds, durations in milliseconds."""
    for group in request.resource_spans:
        service = str(_attributes(group.resource.attributes).get("service.name", "unknown"))
        for scope in group.scope_spans:
            for span in scope.spans:
                yield _plain(span, service)


def _plain(span: Span, service: str) -> dict[str, Any]:
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent_span_id.hex() or None,
        "name": span.name,
        "service": service,
        "kind": _KINDS.get(span.kind, "unspecified"),
        "startTimeUnixNano": span.start_time_unix_nano,
        "durationMs": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
        "attributes": _attributes(span.attributes),
        "links": [{"traceId": link.trace_id.hex(), "spanId": link.span_id.hex()} for link in span.links],
        "status": {"code": _STATUSES.get(span.status.code, "unset"), "message": span.status.message},
    }


def _summary(trace_id: str, spans: list[dict[str, Any]]) -> dict[str, Any]:
    first = min(spans, key=lambda span: (span["parentSpanId"] is not None, span["startTimeUnixNano"]))
    return {
        "traceId": trace_id,
        "name": first["name"],
        "services": sorted({span["service"] for span in spans}),
        "spans": len(spans),
        "startTimeUnixNano": first["startTimeUnixNano"],
    }


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind)
