"""Liveness, readiness and metrics of a service.

``/ready`` tells the truth: database and schema revision, Redis, consumers and relay really running, and what
the service itself must have.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from common.http import JSONAnswer
from common.migrations.current import current_revision, is_at_least
from common.postgres import Pool

Check: TypeAlias = Callable[[], Awaitable[str]]
"""Answers with what is fine (``"active"``), or raises with what isn't."""

CHECK_SECONDS = 3.0


class NotReady(Exception):
    """Why a service can't work now, and what to do about it."""


def health_router(checks: Mapping[str, Check]) -> APIRouter:
    """Routes ``/health``, ``/ready`` and ``/metrics``."""
    router = APIRouter(tags=["operations"])

    @router.get("/health", summary="Liveness: the process answers")
    async def health() -> JSONAnswer:
        return JSONAnswer({"status": "ok"})

    @router.get("/ready", summary="Readiness: what it needs is there; 503 says what is missing")
    async def ready() -> JSONAnswer:
        results = dict(zip(checks, await asyncio.gather(*(_run(c) for c in checks.values())), strict=True))
        fine = all(ok for ok, _ in results.values())
        body = {
            "status": "ready" if fine else "not ready",
            "checks": {name: text for name, (_, text) in results.items()},
        }
        return JSONAnswer(body, status_code=200 if fine else 503)

    @router.get("/metrics", summary="Prometheus metrics")
    def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _run(check: Check) -> tuple[bool, str]:
    try:
        return True, await asyncio.wait_for(check(), CHECK_SECONDS)
    except NotReady as error:
        return False, str(error)
    except TimeoutError:
        return False, f"no answer within {CHECK_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - any failure means not ready, and its text says why
        return False, f"{type(error).__name__}: {error}"[:300]


async def check_schema(pool: Pool, service: str, required: str) -> str:
    """The schema's revision. Raises :class:`NotReady` below ``required``; a newer one is fine."""
    async with pool.acquire(timeout=CHECK_SECONDS) as connection:
        revision = await current_revision(connection)
    if not is_at_least(revision, required):
        at = f"at revision {revision}" if revision else "not migrated"
        raise NotReady(f"the schema is {at}, {service} needs at least {required}: run `takaro migrate`")
    return f"revision {revision} (needs {required})"
