"""Runs a service as a process until it receives a signal to stop."""

import asyncio
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from pydantic import ValidationError

from common import telemetry
from common.refusals import Refused, refuse
from common.settings import WrongSetting
from servicekit.connections import ConnectionLimits, LimitedConnection, LimitedSocket
from servicekit.middlewares.from_proxies import FromProxies
from servicekit.middlewares.read_on import ReadOn
from servicekit.settings import ServiceSettings

log = structlog.get_logger()

REFUSED = 2
"""Exit status of a service that won't start until its settings are changed."""

GARBAGE = 10_000
"""New objects after which the garbage collector looks for cycles among them."""

SWITCH_SECONDS = 0.0005
"""The event loop gives Python's lock away whenever it reads or writes, and waits this long to have it back
while another thread is busy, as the one that encodes spans. Python's 5 ms would be added to requests."""

MAX_FRAME_BYTES = 4_096
"""Of what a WebSocket's reader sends; nothing is expected."""

_OTHER_FILES = 500
"""Pools, pipes, files that are read, and connections that are about to be refused."""


def load_settings(settings_class: type[ServiceSettings]) -> Any:
    """The settings, or an exit with a message that names the setting to correct."""
    try:
        return settings_class()
    except ValidationError as error:
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"]).upper()
            message = str(problem["msg"]).removeprefix("Value error, ")
            print(f"{settings_class.service}: {where + ': ' if where else ''}{message}", file=sys.stderr)
        raise SystemExit(REFUSED) from None


def refuse_what_cannot_work(settings: ServiceSettings) -> None:
    """Exit with one line that says what to do, if a server that answers now can't be worked with."""
    try:
        asyncio.run(refuse(settings.database_url, settings.redis_urls()))
    except Refused as error:
        print(f"{settings.service}: {error}", file=sys.stderr)
        raise SystemExit(REFUSED) from None


class _Server(uvicorn.Server):
    """Ends open event streams as soon as a stop is requested, because uvicorn would wait for them.

    It returns normally after a stop: uvicorn would raise the signal again, and the last spans would be lost.
    If something hangs, the process ends by force.
    """

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event, grace_seconds: float) -> None:
        super().__init__(config)
        self._stopping, self._grace_seconds = stopping, grace_seconds

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {sig: signal.signal(sig, self.handle_exit) for sig in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping.set()
        self._end_in_time()
        super().handle_exit(sig, frame)

    def _end_in_time(self) -> None:
        """End the process as a kill would, once the grace period is over. Nothing is lost by that.

        A frozen database server would delay a stop without end, because asyncpg waits until the server has
        received its cancellation. This runs in a thread, since the event loop itself may hang.
        """
        timer = threading.Timer(self._grace_seconds, _give_up, [self._grace_seconds])
        timer.daemon = True
        timer.start()


def _give_up(grace_seconds: float) -> None:
    log.error("not stopped in time: ends by force", grace_seconds=grace_seconds)
    os._exit(1)


def allow_open_files(wanted: int) -> None:
    """Raise the process's limit of open files to ``wanted``, as far as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def run(build: Callable[[Any], FastAPI], settings_class: type[ServiceSettings]) -> None:
    """Run a service until SIGTERM or SIGINT; after its grace period it ends by force, with exit code 1."""
    settings = load_settings(settings_class)
    refuse_what_cannot_work(settings)
    provider = telemetry.setup(settings.service, settings.instance_name, log_level=settings.log_level)
    if telemetry.recording():
        HTTPXClientInstrumentor().instrument()
    try:
        app = build(settings)
    except WrongSetting as error:
        print(f"{settings.service}: {error}", file=sys.stderr)
        raise SystemExit(REFUSED) from None
    # Imported modules stay until the end: the garbage collector needn't scan them again. Nearly all of a
    # request is freed by its reference counts, and 700 new objects are there after a few requests.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    sys.setswitchinterval(SWITCH_SECONDS)
    limits = ConnectionLimits(
        settings.http_headers_timeout_seconds,
        settings.http_send_timeout_seconds,
        settings.http_max_connections,
    )
    allow_open_files(settings.http_max_connections + _OTHER_FILES)
    config = uvicorn.Config(
        FromProxies(ReadOn(app), trusted=settings.forwarded_allow_ips),
        host=settings.host,
        port=settings.port,
        interface="asgi3",
        loop="uvloop",
        http=partial(LimitedConnection, limits=limits),  # type: ignore[arg-type]
        ws=partial(LimitedSocket, limits=limits) if app.state.sockets else "none",  # type: ignore[arg-type]
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,  # its windows would be memory that each reader costs
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # FromProxies does it
        timeout_keep_alive=settings.http_keep_alive_seconds,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_grace_seconds / 2)),
    )
    try:
        _Server(config, app.state.stopping, settings.shutdown_grace_seconds).run()
    finally:
        telemetry.shutdown(provider)
