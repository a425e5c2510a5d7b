"""``python -m takaro_local.collector``: receives spans over OTLP/HTTP and serves traces as JSON.

``POST /v1/traces`` (protobuf), ``GET /traces`` (the newest), ``GET /traces/{trace id}`` (its spans).
It keeps the newest 20,000 spans, in memory.
"""

import gzip
import json
import os
import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from takaro_local.server import HOST
from takaro_local.spans import SpanStore, read_spans

_RECENT = 50
_PROTOBUF = "application/x-protobuf"
_OTHER_SIGNALS = ("/v1/metrics", "/v1/logs")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Collector"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path in _OTHER_SIGNALS:  # accepted and dropped, so that exporters log no errors
            self._answer(HTTPStatus.OK, b"", _PROTOBUF)
            return
        if self.path != "/v1/traces":
            self._answer_json(HTTPStatus.NOT_FOUND, {"error": "Not found"})
            return
        try:
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            request = ExportTraceServiceRequest.FromString(body)
        except (DecodeError, OSError, EOFError):
            self._answer_json(HTTPStatus.BAD_REQUEST, {"error": "Not an OTLP protobuf request"})
            return
        self.server.store.add(read_spans(request))
        self._answer(HTTPStatus.OK, ExportTraceServiceResponse().SerializeToString(), _PROTOBUF)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        if path == "/health":
            self._answer_json(HTTPStatus.OK, {"status": "ok"})
        elif path == "/traces":
            self._answer_json(HTTPStatus.OK, {"data": self.server.store.recent(_RECENT)})
        elif path.startswith("/traces/") and (spans := self.server.store.trace(path[len("/traces/") :])):
            self._answer_json(HTTPStatus.OK, {"data": spans})
        else:
            self._answer_json(HTTPStatus.NOT_FOUND, {"error": "Trace not found"})

    def log_message(self, format: str, *args: object) -> None:
        """Requests aren't logged."""

    def _answer_json(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        self._answer(status, json.dumps(body).encode(), "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Collector(ThreadingHTTPServer):
    """Listens on 127.0.0.1 and keeps spans in a store."""

    daemon_threads = True

    def __init__(self, port: int, store: SpanStore) -> None:
        super().__init__((HOST, port), _Handler)
        self.store = store


def main() -> None:
    """Serve on OTLP_PORT (4318) until SIGTERM."""

    def stop(_: int, __: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    with Collector(int(os.environ.get("OTLP_PORT") or 4318), SpanStore()) as collector:
        collector.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
