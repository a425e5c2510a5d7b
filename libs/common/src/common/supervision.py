"""Long-running work that is restarted when it fails, with a log line and a metric."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from prometheus_client import Counter

from common import backoff
from common.errors import is_transient

log = structlog.get_logger()

RESTARTS = Counter("takaro_task_restarts_total", "Restarts of background work after a failure", ["task"])


async def supervise(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run ``work`` and restart it, after a growing pause, whenever it fails or returns. Runs until
    cancelled."""
    attempt = 0
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await work()
            log.warning("background work ended", task=name)
        except Exception as error:
            if is_transient(error):
                log.warning("background work interrupted", task=name, error=repr(error))
            else:
                log.error("background work failed", task=name, exc_info=error)
        attempt = 1 if loop.time() - started > 60 else attempt + 1
        RESTARTS.labels(name).inc()
        await asyncio.sleep(backoff.pause(attempt, first=0.2, longest=10))


async def stop(*tasks: asyncio.Future[Any], patience_seconds: float) -> None:
    """Cancel ``tasks`` and wait for them to end. Cancels again those that still run after
    ``patience_seconds``.

    Python 3.11's ``wait_for`` loses a cancellation that arrives together with its result, and redis-py sends
    each command through it.
    """
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=patience_seconds)
