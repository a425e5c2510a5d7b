"""Liveness, readiness and metrics of a service.

``/ready`` checks what actually works: the database and its revision, Redis, consumers and relay that are
running, and the service's own checks.
"""

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from common.readiness import CHECK_SECONDS, Check, NotReady
from servicekit.answers import JSONAnswer


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
