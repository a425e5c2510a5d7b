"""The local stack's trace collector, fed by the real OTLP exporter."""

import re
from collections.abc import Iterator
from io import StringIO
from threading import Thread

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer
from rich.console import Console

from common.cli.trace import TraceNotFound, fetch_linked, render
from takaro_local.collector import Collector
from takaro_local.spans import SpanStore
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
    with httpx.Client(base_url=_url(collector), trust_env=False) as client:
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


def test_linked_traces_are_fetched_and_drawn(tracer: Tracer, client: httpx.Client) -> None:
    with tracer.start_as_current_span("publish") as published:
        pass
    links = [Link(published.get_span_context())]
    with (
        tracer.start_as_current_span("batch", links=links) as batch,
        tracer.start_as_current_span("handle"),
    ):
        pass
    traces = fetch_linked(client, f"{batch.get_span_context().trace_id:032x}")
    console = Console(file=StringIO(), width=120, record=True)
    for spans in traces.values():
        console.print(render(spans))
    branches = re.findall(r"^( *[└├]── chat \w+)", console.export_text(), flags=re.MULTILINE)
    assert branches == ["└── chat batch", "    └── chat handle", "└── chat publish"]


def test_an_unknown_trace_is_said_to_be_unknown(client: httpx.Client) -> None:
    assert client.get("/traces/00").json() == {"error": "Trace not found"}
    with pytest.raises(TraceNotFound):
        fetch_linked(client, "00")


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
