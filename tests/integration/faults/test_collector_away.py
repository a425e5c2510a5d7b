"""A trace collector that is away: a stop ends in time, with exit code 0, and the last spans have a second."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TypeAlias

import pytest

from tests.support.servers import free_port
from tests.support.services import Service, ServiceName

PATIENT = {"OTEL_EXPORTER_OTLP_TIMEOUT": "120", "SHUTDOWN_GRACE_SECONDS": "20"}
"""An exporter that would go on trying for longer than the whole grace period."""


@contextmanager
def refusing() -> Iterator[int]:
    """Nobody listens."""
    yield free_port()


@contextmanager
def hanging() -> Iterator[int]:
    """Takes every connection, and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield server.getsockname()[1]


@contextmanager
def black_hole() -> Iterator[int]:
    """Answers no attempt to connect, because its queue is full."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@contextmanager
def overloaded() -> Iterator[int]:
    """Answers 503, and asks to be tried again later."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(503)
            self.send_header("Retry-After", "60")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


Away: TypeAlias = Callable[[], AbstractContextManager[int]]
CASES: list[tuple[ServiceName, str, Away]] = [
    *(("chat", "/api/conversations", away) for away in (refusing, hanging, black_hole, overloaded)),
    ("cockpit", "/api/cockpit/sessions/0190b5a0-0000-7000-8000-000000000001", hanging),
    ("knowledge", "/api/knowledge-bases", hanging),
]


@pytest.mark.parametrize(("name", "path", "away"), CASES)
async def test_a_stop_doesnt_wait_for_the_collector(
    name: ServiceName, path: str, away: Away, database: str, redis_url: str, tmp_path: Path
) -> None:
    with away() as port:
        environment = PATIENT | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        service = Service(
            name, database_url=database, redis_url=redis_url, folder=tmp_path, environment=environment
        )
        await service.start()
        async with service.client() as client:
            assert (await client.get(path)).status_code < 500
        code = await service.stop(patience=60)
    logged = [line.get("event") for line in service.logs()]
    assert code == 0, logged[-5:]
    assert "not stopped in time: ends by force" not in logged
