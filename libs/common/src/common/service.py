"""What every service is made of, composed once: pool, Redis, consumers, relay, HTTP, health.

A service starts without its dependencies, says so on ``/ready``, and begins to work when they are there.
"""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from types import FrameType
from typing import Any

import httpx
import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Request
from faststream.specification.asyncapi.site import get_asyncapi_html
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from pydantic import ValidationError
from redis.asyncio import Redis
from starlette.responses import HTMLResponse, Response

from common import codec, telemetry
from common.asyncapi import RenderedSpecification, asyncapi_document
from common.auth import Authenticator
from common.backbone import Backbone
from common.contracts import Contract
from common.handlers import Router
from common.health import Check, check_schema, health_router
from common.http import GuardBody, MeasureRequests, install_error_handlers
from common.notifications import Notifications
from common.postgres import Pool, create_pool
from common.redis_clients import open_redis
from common.settings import ServiceSettings
from common.supervision import stop, supervise

log = structlog.get_logger()

_UNTRACED = r"^https?://[^/]+/(health|ready|metrics|docs|openapi\.json|asyncapi(\.json)?)$"
"""What operators and their machines ask for. Whole paths: a knowledge base may be called ``docs``."""


@dataclass(slots=True)
class Resources:
    """What use cases and background work need. ``redis`` answers in text."""

    settings: Any
    pool: Pool
    redis: Redis
    http: httpx.AsyncClient
    notifications: Notifications
    extras: dict[str, Any] = field(default_factory=dict)


Background = Callable[[Resources], Awaitable[None]]
ReadinessCheck = Callable[[Resources], Awaitable[str | None]]


@dataclass(slots=True)
class ServiceSpec:
    """One service. ``streams`` maps a stream to the router of what is taken from it; ``facts`` are what it
    publishes on ``facts_stream``; ``background`` runs for as long as the service does; ``checks`` raise
    :class:`common.health.NotReady`; ``on_start`` fills ``resources.extras``.
    """

    settings: ServiceSettings
    title: str
    required_revision: str
    facts_stream: str
    routers: Sequence[APIRouter] = ()
    streams: Mapping[str, Router] = field(default_factory=dict)
    facts: Sequence[type[Contract]] = ()
    background: Sequence[Background] = ()
    checks: Mapping[str, ReadinessCheck] = field(default_factory=dict)
    on_start: Callable[[Resources], Awaitable[None]] | None = None


async def get_resources(request: Request) -> Any:
    """FastAPI dependency: the service's :class:`Resources`. A coroutine: others are run in a thread."""
    return request.app.state.resources


def create_app(spec: ServiceSpec) -> FastAPI:
    """Compose a service."""
    checks: dict[str, Check] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings = spec.settings
        async with _resources(settings) as resources:
            app.state.resources = resources
            if spec.on_start is not None:
                await spec.on_start(resources)
            backbone = Backbone(settings, resources.notifications, spec.streams, spec.facts_stream)
            checks.update(_checks(spec, resources))
            checks.update(backbone.checks())
            tasks = [
                asyncio.create_task(supervise(name, work), name=name)
                for name, work in (
                    ("notifications", resources.notifications.run),
                    *((_name(work), _bind(work, resources)) for work in spec.background),
                )
            ]
            async with backbone:
                log.info("started", port=settings.port, instance=settings.instance_name)
                try:
                    yield
                finally:
                    app.state.stopping.set()
                    await stop(*tasks, patience_seconds=settings.shutdown_grace_seconds / 2)
        log.info("stopped")

    app = FastAPI(title=spec.title, version=version(f"takaro-{spec.settings.service}"), lifespan=lifespan)
    app.state.stopping = asyncio.Event()
    app.state.authenticator = Authenticator(spec.settings)
    app.include_router(health_router(checks))
    for router in spec.routers:
        app.include_router(router)
    _mount_asyncapi(app, spec)
    install_error_handlers(app)
    app.add_middleware(GuardBody)
    app.add_middleware(MeasureRequests)
    FastAPIInstrumentor.instrument_app(
        app,
        excluded_urls=_UNTRACED,
        exclude_spans=["send", "receive"],
    )
    return app


@asynccontextmanager
async def _resources(settings: ServiceSettings) -> AsyncIterator[Resources]:
    redis = open_redis(settings.redis_url, decode_responses=True)
    async with (
        await create_pool(settings) as pool,
        httpx.AsyncClient(timeout=30, follow_redirects=False) as http,
    ):
        try:
            yield Resources(settings, pool, redis, http, Notifications(settings))
        finally:
            await redis.aclose()


def _checks(spec: ServiceSpec, resources: Resources) -> dict[str, Check]:
    async def database() -> str:
        return await check_schema(resources.pool, spec.settings.service, spec.required_revision)

    async def redis() -> str:
        await resources.redis.ping()
        return "ok"

    def bound(check: ReadinessCheck) -> Check:
        async def run() -> str:
            return await check(resources) or "ok"

        return run

    return {"database": database, "redis": redis, **{name: bound(c) for name, c in spec.checks.items()}}


def _bind(work: Background, resources: Resources) -> Callable[[], Awaitable[None]]:
    return lambda: work(resources)


def _name(work: Background) -> str:
    return getattr(work, "__name__", type(work).__name__)


def _mount_asyncapi(app: FastAPI, spec: ServiceSpec) -> None:
    document = asyncapi_document(
        spec.settings.service,
        app.version,
        receives={
            stream: [route.model for route in router.routes.values()]
            for stream, router in spec.streams.items()
        },
        sends={spec.facts_stream: spec.facts},
    )
    encoded = codec.dumps(document)

    @app.get("/asyncapi.json", include_in_schema=False)
    async def asyncapi_json() -> Response:
        return Response(encoded, media_type="application/json")

    @app.get("/asyncapi", include_in_schema=False)
    async def asyncapi_page() -> HTMLResponse:
        rendered: Any = RenderedSpecification(f"{spec.settings.service}", encoded)
        return HTMLResponse(get_asyncapi_html(rendered, try_it_out_path=None))


def load_settings(settings_class: type[ServiceSettings]) -> Any:
    """The settings, or an exit with a message that says which one to mend."""
    try:
        return settings_class()
    except ValidationError as error:
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"]).upper()
            message = str(problem["msg"]).removeprefix("Value error, ")
            print(f"{settings_class.service}: {where + ': ' if where else ''}{message}", file=sys.stderr)
        raise SystemExit(2) from None


class _Server(uvicorn.Server):
    """Tells open event streams to end as soon as a stop is asked for: uvicorn waits for them otherwise.

    And ends normally after a stop: uvicorn raises the signal again, which would lose the last spans. When
    something hangs, it ends by force.
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
        """End as a kill would when the grace period is over: nothing is lost by that.

        A server that is frozen holds up a stop without end: asyncpg waits until its cancellation has arrived
        there. From a thread, since the event loop may be what hangs.
        """
        timer = threading.Timer(self._grace_seconds, _give_up, [self._grace_seconds])
        timer.daemon = True
        timer.start()


def _give_up(grace_seconds: float) -> None:
    log.error("not stopped in time: ends by force", grace_seconds=grace_seconds)
    os._exit(1)


def run(build: Callable[[Any], FastAPI], settings_class: type[ServiceSettings]) -> None:
    """Run a service until SIGTERM or SIGINT; after its grace period it ends by force, with exit code 1."""
    settings = load_settings(settings_class)
    provider = telemetry.setup(settings.service, settings.instance_name, log_level=settings.log_level)
    if telemetry.recording():
        AsyncPGInstrumentor().instrument()  # type: ignore[no-untyped-call]
        HTTPXClientInstrumentor().instrument()
    app = build(settings)
    # What was imported stays for good: the collector needn't look at it again and again.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_grace_seconds / 2)),
    )
    try:
        _Server(config, app.state.stopping, settings.shutdown_grace_seconds).run()
    finally:
        provider.shutdown()
