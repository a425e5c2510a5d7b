"""Composes a service: pool, Redis, consumers, relay, HTTP, health.

A service starts without its dependencies, reports them on ``/ready``, and begins to work when they are
available.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any, Generic, TypeVar

import httpx
import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from redis.asyncio import Redis

from backbone.backbone import Backbone
from backbone.handlers import Router
from common.notifications import Notifications
from common.postgres import Pool, create_pool
from common.readiness import Check, check_schema
from common.redis_clients import open_redis
from common.refusals import Seldom, check_pool, check_redis, check_redis_at
from common.supervision import stop, supervise
from contracts import Contract
from contracts.asyncapi import asyncapi_document
from servicekit.auth import Authenticator
from servicekit.cross_origin import allow_origins
from servicekit.direct import DirectRoutes
from servicekit.error_answers import install_error_handlers
from servicekit.health import health_router
from servicekit.idempotency import AnsweredOnce
from servicekit.live import OpenStreams
from servicekit.middlewares.answer_head import AnswerHead
from servicekit.middlewares.ignore_trailing_slash import IgnoreTrailingSlash
from servicekit.middlewares.observe_requests import ObserveRequests
from servicekit.middlewares.private_answers import PrivateAnswers
from servicekit.openapi import describe
from servicekit.outgoing_http import open_http
from servicekit.pages import mount_pages
from servicekit.settings import ServiceSettings

log = structlog.get_logger()


@dataclass(slots=True)
class Resources:
    """What use cases and background work need. ``redis`` answers in text."""

    pool: Pool
    redis: Redis
    http: httpx.AsyncClient
    notifications: Notifications


R = TypeVar("R", bound=Resources)


@dataclass(slots=True)
class ServiceSpec(Generic[R]):
    """One service, with its own type of resources.

    ``resources`` extends the shared ones with what this service needs. ``streams`` maps a stream to the
    router of its events; ``facts`` are what it publishes on ``facts_stream``; ``background`` runs as long as
    the service; ``checks`` raise :class:`common.readiness.NotReady`; ``sockets``: it has routes that are
    WebSockets.
    """

    settings: ServiceSettings
    title: str
    required_revision: str
    facts_stream: str
    resources: Callable[[Resources], R]
    routers: Sequence[APIRouter] = ()
    sockets: bool = False
    streams: Mapping[str, Router] = field(default_factory=dict)
    facts: Sequence[type[Contract]] = ()
    background: Sequence[Callable[[R], Awaitable[None]]] = ()
    checks: Mapping[str, Callable[[R], Awaitable[str | None]]] = field(default_factory=dict)


async def get_resources(request: Request) -> Any:
    """FastAPI dependency: the service's :class:`Resources`. A coroutine, because FastAPI runs other functions
    in a thread."""
    return request.app.state.resources


ResourcesParam = Annotated[Resources, Depends(get_resources)]
"""The dependency of routes that need only the shared resources."""


def create_app(spec: ServiceSpec[R]) -> FastAPI:
    """Compose a service."""
    checks: dict[str, Check] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings = spec.settings
        async with _shared_resources(settings, spec.required_revision) as shared:
            app.state.authenticator = Authenticator(settings, shared.http)
            resources = spec.resources(shared)
            app.state.resources = resources
            backbone = Backbone(
                settings,
                resources.notifications,
                spec.streams,
                spec.facts_stream,
                required_revision=spec.required_revision,
            )
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

    app = FastAPI(
        title=spec.title,
        version=version(f"takaro-{spec.settings.service}"),
        lifespan=lifespan,
        redirect_slashes=False,
        # ObserveRequests and TracedConnection make the spans; FastAPI's own would be others beside them.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
        docs_url=None,  # see mount_pages
        redoc_url=None,
    )
    app.state.stopping = asyncio.Event()
    app.state.open_streams = OpenStreams(
        spec.settings.event_streams_max, spec.settings.event_streams_per_user
    )
    app.state.sockets = spec.sockets
    app.state.answered_once = AnsweredOnce(spec.settings)
    app.state.body_timeout_seconds = spec.settings.http_body_timeout_seconds
    app.include_router(health_router(checks))
    for router in spec.routers:
        app.include_router(router)
    document = asyncapi_document(
        spec.settings.service,
        app.version,
        receives={
            stream: [route.model for route in router.routes.values()]
            for stream, router in spec.streams.items()
        },
        sends={spec.facts_stream: spec.facts},
    )
    mount_pages(app, spec.settings.service, document)
    describe(app, spec.settings.auth_mode)
    install_error_handlers(app)
    app.add_middleware(DirectRoutes, get_resources=get_resources)
    app.add_middleware(PrivateAnswers)
    app.add_middleware(ObserveRequests)
    app.add_middleware(IgnoreTrailingSlash)
    app.add_middleware(AnswerHead)
    if origins := spec.settings.allowed_origins():
        allow_origins(app, origins)
    return app


@asynccontextmanager
async def _shared_resources(settings: ServiceSettings, required_revision: str) -> AsyncIterator[Resources]:
    redis = open_redis(settings.redis_url, decode_responses=True)
    async with (
        await create_pool(settings, required_revision=required_revision) as pool,
        open_http() as http,
    ):
        try:
            yield Resources(pool, redis, http, Notifications(settings))
        finally:
            await redis.aclose()


def _checks(spec: ServiceSpec[R], resources: R) -> dict[str, Check]:
    settings = spec.settings
    sessions = Seldom(lambda: check_pool(resources.pool, settings.database_url))
    others = [
        Seldom(partial(check_redis_at, url, name))
        for name, url in settings.redis_urls().items()
        if url != settings.redis_url
    ]

    async def database() -> str:
        await sessions()
        return await check_schema(resources.pool, settings.service, spec.required_revision)

    async def redis() -> str:
        await check_redis(resources.redis, "REDIS_URL")
        for other in others:
            await other()
        return "ok"

    def bound(check: Callable[[R], Awaitable[str | None]]) -> Check:
        async def run() -> str:
            return await check(resources) or "ok"

        return run

    return {"database": database, "redis": redis, **{name: bound(c) for name, c in spec.checks.items()}}


def _bind(work: Callable[[R], Awaitable[None]], resources: R) -> Callable[[], Awaitable[None]]:
    return lambda: work(resources)


def _name(work: Callable[..., Awaitable[None]]) -> str:
    return getattr(work, "__name__", type(work).__name__)
