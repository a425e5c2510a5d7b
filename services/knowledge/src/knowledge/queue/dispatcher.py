"""Turns requested syncs into jobs: the outbox of the queue.

A request commits with the change that caused it. The dispatcher then adds its job, under an id derived from
the request's, and marks the request as queued. Adding the job twice has no further effect.
"""

import time
from datetime import timedelta

import structlog
from bullmq import Queue  # type: ignore[import-untyped]
from opentelemetry.trace import SpanKind

from backbone import names
from common import trace_context
from common.errors import is_transient
from common.notifications import Notifications
from common.postgres import Pool
from common.telemetry import span
from knowledge.bases import repository as bases
from knowledge.jobs.connection import producer_client
from knowledge.jobs.wire import PREFIX, QUEUE, job_data_of, trace_options
from knowledge.queue.lost_jobs import settle_lost
from knowledge.requests import repository as request_repository
from knowledge.requests.records import SyncRequest

log = structlog.get_logger()

POLL_SECONDS = 1.0
BATCH = 50
LOST_AFTER = timedelta(seconds=60)
"""Age at which a queued or running sync is checked."""

_OPTIONS: dict[str, dict[str, object]] = {
    "sync": {"removeOnComplete": {"count": 100}, "removeOnFail": {"count": 50}},
    "immediate-sync": {"removeOnComplete": True, "removeOnFail": {"count": 5}},
}
"""The options that the Node producer uses, by job name."""
_RETRIES = {"attempts": 3, "backoff": {"type": "exponential", "delay": 5000}}


class Dispatcher:
    """Runs in any number of processes: its work is idempotent."""

    def __init__(
        self, pool: Pool, redis_url: str, notifications: Notifications, lost_after: timedelta = LOST_AFTER
    ) -> None:
        self._pool, self._redis_url, self._notifications = pool, redis_url, notifications
        self._lost_after, self._settled = lost_after, time.monotonic()

    async def run(self) -> None:
        """Dispatch until cancelled."""
        client = producer_client(self._redis_url)
        queue = Queue(QUEUE, {"connection": client, "prefix": PREFIX})
        try:
            async with self._notifications.subscribe(names.SYNCS_CHANNEL) as requested:
                while True:
                    try:
                        while await self._dispatch(queue) == BATCH:
                            pass
                        if time.monotonic() - self._settled >= self._lost_after.total_seconds():
                            await settle_lost(self._pool, queue, self._lost_after)
                            self._settled = time.monotonic()
                    except Exception as error:
                        if not is_transient(error):
                            raise
                        log.warning("syncs wait for their queue", error=repr(error))
                    await requested.wait(POLL_SECONDS)
        finally:
            await client.aclose()

    async def _dispatch(self, queue: Queue) -> int:
        async with self._pool.acquire() as connection:
            requests = await request_repository.list_requested(connection, BATCH)
        for request in requests:
            await self._enqueue(queue, request)
        return len(requests)

    async def _enqueue(self, queue: Queue, request: SyncRequest) -> None:
        name = "immediate-sync" if request.reason == "startup" else "sync"
        with span(
            f"send {QUEUE}",
            parent=request.trace,
            root=True,
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": "bullmq",
                "messaging.operation.name": "send",
                "messaging.operation.type": "send",
                "messaging.destination.name": QUEUE,
                "messaging.message.id": request.job_id,
            },
        ):
            async with self._pool.acquire() as connection:
                base = await bases.get_base(connection, request.knowledge_base_id)
            if base is None:
                return  # just deleted, with its requests
            options = {
                "jobId": request.job_id,
                **_OPTIONS[name],
                **_RETRIES,
                **trace_options(trace_context.current()),
            }
            data = job_data_of(base, request.mode, confirm_removal=request.confirm_removal)
            await queue.add(name, data, options)
            async with self._pool.acquire() as connection:
                await request_repository.update_queued(connection, request.id)
