"""The trace context as text: what travels, and what is left out."""

import pytest
from opentelemetry import baggage, context, trace

from common import trace_context
from common.trace_context import MAX_BAGGAGE, MAX_TRACESTATE, TraceContext, continuing, from_carrier

TRACEPARENT = f"00-{'1' * 32}-{'2' * 16}-01"


def test_the_three_fields_travel_together() -> None:
    came = TraceContext(TRACEPARENT, "vendor=1,other=2", "tenant=acme,user=ann")
    with continuing(came):
        assert trace_context.current() == came
        assert baggage.get_baggage("tenant") == "acme"
    assert trace_context.current() is None
    assert baggage.get_all() == {}


def test_a_span_below_keeps_what_came_with_the_request() -> None:
    came = TraceContext(TRACEPARENT, "vendor=1", "tenant=acme")
    span = trace.SpanContext(int("1" * 32, 16), 5, is_remote=False)
    below = trace_context.below(came, span)
    assert below == TraceContext(f"00-{'1' * 32}-{5:016x}-00", "vendor=1", "tenant=acme")


def test_a_context_reads_back_from_its_carrier() -> None:
    for came in (TraceContext(TRACEPARENT), TraceContext(TRACEPARENT, "vendor=1", "tenant=acme")):
        assert from_carrier(came.to_carrier()) == came


@pytest.mark.parametrize(
    "traceparent",
    ["", "00", "x" * 55, TRACEPARENT + "-more", TRACEPARENT[:-1] + "g", 5, None, TRACEPARENT + "\n"],
)
def test_without_a_well_formed_traceparent_nothing_travels(traceparent: object) -> None:
    assert from_carrier({"traceparent": traceparent, "baggage": "tenant=acme"}) is None


@pytest.mark.parametrize(
    "value", ["", "x" * (MAX_BAGGAGE + 1), "a=\x00", "a=\r\nb: c", "a=\u00fc", 7, ["a=b"], None]
)
def test_a_field_that_cant_be_a_header_is_left_out(value: object) -> None:
    carrier = {"traceparent": TRACEPARENT, "tracestate": value, "baggage": value}
    assert from_carrier(carrier) == TraceContext(TRACEPARENT)


def test_what_the_process_itself_makes_has_the_same_bounds() -> None:
    token = context.attach(baggage.set_baggage("long", "x" * MAX_BAGGAGE))
    try:
        with continuing(TraceContext(TRACEPARENT, "vendor=" + "x" * MAX_TRACESTATE)):
            assert trace_context.current() == TraceContext(TRACEPARENT)
    finally:
        context.detach(token)
