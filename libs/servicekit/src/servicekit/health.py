"""Liveness, readiness and metrics of a service.

``/ready`` checks what actually works: the database and its revision, Redis, consumers and relay that are
running, and the service's own checks.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from common.readiness import CHECK_SECONDS, Check, NotReady
from servicekit.answers import JSONAnswer
from servicekit.openapi import answering_bare, answering_text


class HealthJson(TypedDict):
    """The process answers."""

    status: Literal["ok"]


class ReadyJson(TypedDict):
    """What was checked, and what each check says."""

    status: Literal["ready", "not ready"]
    checks: Annotated[dict[str, str], Field(examples=[{"postgres": "ok", "redis": "ok"}])]


READINESS: dict[int | str, dict[str, Any]] = {
    200: {"model": ReadyJson, "description": "Everything is there."},
    503: {"model": ReadyJson, "description": "Something that it needs is missing."},
}


def health_router(checks: Mapping[str, Check]) -> APIRouter:
    """Routes ``/health``, ``/ready`` and ``/metrics``."""
    router = APIRouter(tags=["operations"])

    @router.get("/health", summary="Liveness: the process answers", **answering_bare(HealthJson))
    async def health() -> JSONAnswer:
        return JSONAnswer({"status": "ok"})

    @router.get(
        "/ready",
        summary="Readiness: what it needs is there; 503 says what is missing",
        responses=READINESS,
    )
    async def ready() -> JSONAnswer:
        results = dict(zip(checks, await asyncio.gather(*(_run(c) for c in checks.values())), strict=True))
        fine = all(ok for ok, _ in results.values())
        body: ReadyJson = {
            "status": "ready" if fine else "not ready",
            "checks": {name: text for name, (_, text) in results.items()},
        }
        return JSONAnswer(body, status_code=200 if fine else 503)

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=Response,
        **answering_text("text/plain", "Metrics in Prometheus's text format.", "# HELP …"),
    )
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
