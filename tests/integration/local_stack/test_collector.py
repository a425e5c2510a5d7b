"""The local stack's trace collector, fed by the real OTLP exporter."""

from collections.abc import Iterator
from threading import Thread

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer

from takaro_local.collector import Collector
from takaro_local.spans import SpanStore
from tests.support.plain_http import NO_TLS
from tests.support.servers import free_port


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector(free_port(), SpanStore())
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(collector: Collector) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=_url(collector), trust_env=False, verify=NO_TLS) as client:
        yield client


@pytest.fixture(params=[Compression.NoCompression, Compression.Gzip])
def tracer(collector: Collector, request: pytest.FixtureRequest) -> Iterator[Tracer]:
    exporter = OTLPSpanExporter(f"{_url(collector)}/v1/traces", compression=request.param)
    provider = TracerProvider(resource=Resource.create({"service.name": "chat"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("test")
    provider.shutdown()


def test_a_trace_comes_back_as_it_was_exported(tracer: Tracer, client: httpx.Client) -> None:
    attributes: dict[str, str | int] = {"db.query.text": "INSERT …", "n": 3}
    with (
        tracer.start_as_current_span("POST /messages", kind=SpanKind.SERVER) as outer,
        tracer.start_as_current_span("INSERT", attributes=attributes) as inner,
    ):
        inner.set_status(Status(StatusCode.ERROR, "no room"))
    identity = f"{outer.get_span_context().trace_id:032x}"
    first, second = client.get(f"/traces/{identity}").json()["data"]
    assert (first["name"], first["service"], first["kind"], first["parentSpanId"]) == (
        *("POST /messages", "chat", "server"),
        None,
    )
    assert (second["parentSpanId"], second["traceId"]) == (first["spanId"], identity)
    assert second["attributes"] == attributes
    assert second["status"] == {"code": "error", "message": "no room"}
    assert 0 <= second["durationMs"] <= first["durationMs"]
    (summary,) = client.get("/traces").json()["data"]
    assert (summary["traceId"], summary["name"], summary["spans"]) == (identity, "POST /messages", 2)


def test_links_of_a_span_come_with_it(tracer: Tracer, client: httpx.Client) -> None:
    with tracer.start_as_current_span("publish") as published:
        pass
    links = [Link(published.get_span_context())]
    with tracer.start_as_current_span("batch", links=links) as batch:
        pass
    (span,) = client.get(f"/traces/{batch.get_span_context().trace_id:032x}").json()["data"]
    context = published.get_span_context()
    assert span["links"] == [{"traceId": f"{context.trace_id:032x}", "spanId": f"{context.span_id:016x}"}]


def test_an_unknown_trace_is_said_to_be_unknown(client: httpx.Client) -> None:
    assert client.get("/traces/00").json() == {"error": "Trace not found"}


def test_garbage_is_refused(client: httpx.Client) -> None:
    assert client.post("/v1/traces", content=b"\xff\xff\xff").status_code == 400
    assert client.post("/v1/traces", content=b"x", headers={"Content-Encoding": "gzip"}).status_code == 400
    assert client.post("/v2/traces", content=b"").status_code == 404
    assert client.post("/v1/metrics", content=b"").status_code == 200


def test_the_oldest_traces_go_first() -> None:
    store = SpanStore(limit=3)
    for index in range(5):
        store.add([{"traceId": str(index), "startTimeUnixNano": index, "parentSpanId": None, "name": "n"}])
    assert [bool(store.trace(str(index))) for index in range(5)] == [False, False, True, True, True]


def _url(collector: Collector) -> str:
    return f"http://127.0.0.1:{collector.server_address[1]}"
