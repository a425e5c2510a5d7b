"""Chat's HTTP beside Express with knex (``node-peer/http.mjs``) and beside the floor of our stack.

16 connections, on one Postgres, one after the other in each round. Ours has what the peer hasn't: JWT, outbox
and relay, and one request in ten traced.
"""

import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import jwt

from benchmarks.report import Report
from benchmarks.world import World, median, run_peer
from takaro_local.ports import free_port
from tests.support.services import Service

ROUNDS = 3
SECRET = "b" * 64
TARGETS = {"POST conversation": 1.5, "POST message": 1.5, "GET 20 messages": 1.5, "GET 200 messages": 1.3}
"""Requests a second, in those of the peer."""

Result = dict[str, dict[str, Any]]


async def run(world: World, report: Report) -> None:
    """Report medians of :data:`ROUNDS` rounds: requests a second, CPU of the server's process, p99."""
    token = jwt.encode({"sub": "bench-user", "exp": int(time.time()) + 86_400}, SECRET, "HS256")
    rounds = int(os.environ.get("ROUNDS", ROUNDS))
    found: dict[str, list[Result]] = {"peer": [], "floor": [], "ours": []}
    with _collector() as collector:
        chat = Service(
            "chat",
            database_url=world.postgres.url,
            redis_url=world.redis.url,
            folder=world.folder / "http",
            environment={
                "LOG_LEVEL": "warning",
                "AUTH_MODE": "jwt",
                "JWT_SECRET": SECRET,
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
                "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": "0.1",
            },
            anew=True,
        )
        await chat.start()
        try:
            with _floor(world) as (floor, pid):
                for number in range(rounds):
                    report.progress(f"http, round {number + 1} of {rounds}")
                    found["peer"].append(_load(world))
                    found["ours"].append(_load(world, BASE=chat.url, SERVER_PID=str(chat.pid), TOKEN=token))
                    found["floor"].append(_load(world, BASE=floor, SERVER_PID=str(pid), TOKEN=token))
        finally:
            await chat.stop()
    for case, target in TARGETS.items():
        _report(report, case, target, found)


def _report(report: Report, case: str, target: float, found: dict[str, list[Result]]) -> None:
    def middle(who: str, what: str) -> float:
        return median([result[case][what] for result in found[who]])

    for who in found:
        report.line(
            f"http: {case}, {who}",
            f"{middle(who, 'req_s'):,.0f} /s, {middle(who, 'cpu_ms'):.2f} ms CPU, "
            f"p50 {middle(who, 'p50_ms'):.0f} ms, p99 {middle(who, 'p99_ms'):.0f} ms",
        )
    speed = middle("ours", "req_s") / middle("peer", "req_s")
    report.line(f"http: {case}, of the peer's", f"{speed:.2f}", f"at least {target}", speed >= target)
    cpu = middle("ours", "cpu_ms") / middle("floor", "cpu_ms")
    report.line(f"http: {case}, CPU of the floor's", f"{cpu:.2f}", "at most 2", cpu <= 2)
    p99, peer = middle("ours", "p99_ms"), middle("peer", "p99_ms")
    report.line(f"http: {case}, p99 beside the peer's", f"{p99 / peer:.2f}", "at most 1", p99 <= peer)


def _load(world: World, **environment: str) -> Result:
    """Run the load on the peer, or on what ``BASE`` names. Raises ``ValueError`` if a request failed."""
    lines = run_peer("http.mjs", PGURL=world.peer_url, **environment)
    for line in lines:
        if line["non2xx"] or line["errors"]:
            raise ValueError(f"not all requests succeeded: {line}")
    return {line["bench"]: line for line in lines}


@contextmanager
def _floor(world: World) -> Iterator[tuple[str, int]]:
    """The floor on a port of its own: its address and its process id."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.http_floor:app", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--no-access-log", "--log-level", "warning"],
        env={**os.environ, "PG": world.postgres.url, "JWT_SECRET": SECRET},
    )
    try:
        base = f"http://127.0.0.1:{port}"
        _wait(lambda: httpx.get(f"{base}/health", trust_env=False).is_success)
        yield base, process.pid
    finally:
        process.terminate()
        process.wait()


def _wait(ready: Callable[[], bool]) -> None:
    for _ in range(300):
        try:
            if ready():
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError("the floor didn't start")


@contextmanager
def _collector() -> Iterator[str]:
    """An OTLP endpoint that takes spans and keeps none."""

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
