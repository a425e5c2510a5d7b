"""The worker of ``kb-sync``: BullMQ's Python port, with what it lacks beside Node's (PITFALLS, BullMQ)."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from bullmq import Job, Worker  # type: ignore[import-untyped]
from bullmq.custom_errors import DelayedError, UnrecoverableError  # type: ignore[import-untyped]
from opentelemetry.trace import SpanKind

from common.errors import PermanentError, TakaroError, TransientError
from common.leases import LeaseLost
from common.telemetry import links_to, span
from knowledge.queue.connection import worker_client
from knowledge.queue.models import PREFIX, QUEUE, traceparent_of
from knowledge.sync.lease import BaseBusy

log = structlog.get_logger()

BUSY_DELAY_MS = 1000
"""When a job whose base is being synced comes back."""

_PUT_BACK = object()


class Postponed(TransientError):
    """The job is to run later; nothing has failed."""

    def __init__(self, until_ms: int) -> None:
        super().__init__("the job runs later", code="postponed")
        self.until_ms = until_ms


Handler = Callable[[Job], Awaitable[dict[str, Any]]]


class KeepingWorker(Worker):  # type: ignore[misc]
    """Keeps the data of repeatables that BullMQ 5 made.

    Those leave ``bull:kb-sync:repeat:<key>`` without a ``data`` field, from which the next iteration would be
    made with ``{}``. The iteration in hand still has its data, so they are put there first.
    """

    async def _scheduleNextIteration(self, job: Job) -> None:  # noqa: N802 (BullMQ's name)
        if job.data:
            key = self.backend.toKey(f"repeat:{job.repeatJobKey}")
            if await self.client.exists(key):
                await self.client.hsetnx(key, "data", json.dumps(job.data, separators=(",", ":")))
        await super()._scheduleNextIteration(job)


class QueueWorker:
    """Runs jobs with ``handler``; made anew whenever BullMQ's own worker ends."""

    def __init__(
        self,
        redis_url: str,
        handler: Handler,
        *,
        concurrency: int,
        grace_seconds: float,
        lock_seconds: float = 30.0,
    ) -> None:
        self._redis_url, self._handler = redis_url, handler
        self._concurrency, self._grace = concurrency, grace_seconds
        self._lock_ms = int(lock_seconds * 1000)
        self._worker: KeepingWorker | None = None
        self._stopping = False
        self._running_jobs: set[asyncio.Task[dict[str, Any]]] = set()

    @property
    def running(self) -> bool:
        """Whether jobs are being taken."""
        return self._worker is not None and bool(self._worker.running)

    async def run(self) -> None:
        """Take jobs for ever, until cancelled: then finish or release what is in flight."""
        while True:
            client = worker_client(self._redis_url)
            options = {
                "connection": client,
                "prefix": PREFIX,
                "concurrency": self._concurrency,
                "autorun": False,
                "lockDuration": self._lock_ms,
                "stalledInterval": self._lock_ms,
                "runRetryDelay": 1000,
            }
            worker = KeepingWorker(QUEUE, self._process, options)
            worker.on("error", _log_error)
            self._worker = worker
            running = asyncio.create_task(worker.run())
            self._stopping = False
            try:
                # Not `await running`: a cancellation of BullMQ's own would look like one of ours.
                await asyncio.wait([running])
                error = None if running.cancelled() else running.exception()
                log.error("queue worker ended, and is started again", queue=QUEUE, error=repr(error))
            finally:
                await self._close(worker, running)
                with suppress(Exception):
                    await client.aclose()
            await asyncio.sleep(1)

    async def _process(self, job: Job, token: str) -> object:
        """Run one job. Nothing but ordinary errors leaves here: a ``CancelledError`` would end the worker."""
        with self._process_span(job):
            result = await self._attempt(job, token)
        if result is _PUT_BACK:  # raised outside the span: to come back later is no failure
            raise DelayedError
        return result

    @contextmanager
    def _process_span(self, job: Job) -> Iterator[None]:
        traceparent = traceparent_of(job.opts)
        # The iterations of a repeatable all carry the context of whoever made it: they link to that trace.
        repeated = bool(job.repeatJobKey)
        with span(
            f"process {QUEUE}",
            parent=None if repeated else traceparent,
            root=True,
            links=links_to([traceparent]) if repeated else (),
            kind=SpanKind.CONSUMER,
            attributes={
                "messaging.system": "bullmq",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": QUEUE,
                "messaging.message.id": job.id,
                "bullmq.job.name": job.name,
            },
        ):
            yield

    async def _attempt(self, job: Job, token: str) -> object:
        """The job's result, which may be nothing; ``_PUT_BACK`` for one that was put back."""
        task = asyncio.ensure_future(self._handler(job))
        self._running_jobs.add(task)
        try:
            return await task
        except BaseBusy:
            await job.moveToDelayed(_now_ms() + BUSY_DELAY_MS, token)
            return _PUT_BACK
        except LeaseLost as error:
            # Another run has this base. If it has the very job, its outcome is the job's, and the queue won't
            # put it back; if it doesn't, the job is still to be done.
            log.warning("job was overtaken", job=job.id, reason=error.reason)
            with suppress(TypeError):  # the lock is another worker's, or the job has ended
                await job.moveToDelayed(_now_ms() + BUSY_DELAY_MS, token)
            return _PUT_BACK
        except Postponed as later:
            await job.moveToDelayed(later.until_ms, token)
            return _PUT_BACK
        except asyncio.CancelledError:
            if not self._stopping:
                raise RuntimeError("the job was cancelled") from None
            log.info("job released for another worker", job=job.id)
            await job.moveToDelayed(_now_ms(), token)
            return _PUT_BACK
        except PermanentError as error:
            raise UnrecoverableError(error.reason) from error
        except TakaroError as error:
            log.warning("job failed", job=job.id, name=job.name, reason=error.reason)
            raise
        except Exception as error:
            log.error("job failed", job=job.id, name=job.name, exc_info=error)
            raise
        finally:
            task.cancel()
            self._running_jobs.discard(task)

    async def _close(self, worker: KeepingWorker, running: asyncio.Task[None]) -> None:
        """Close within the grace period: BullMQ's ``close`` waits without end while Redis is away, and
        swallows a cancellation."""
        worker.closing = self._stopping = True
        if self._running_jobs:
            await asyncio.wait(self._running_jobs, timeout=self._grace / 2)
            for job in self._running_jobs:
                job.cancel()
        closing = asyncio.create_task(worker.close())
        await asyncio.wait([closing], timeout=self._grace / 4)
        if not closing.done():
            log.warning("queue worker did not close in time", queue=QUEUE)
            # While it closes it asks an absent Redis again and again, and without a pause.
            worker.cancelProcessing()
            running.cancel()
            await asyncio.wait([closing, running], timeout=self._grace / 4)
        worker.closed = True


def _now_ms() -> int:
    return int(time.time() * 1000)


def _log_error(error: object, *_: object) -> None:
    log.warning("queue worker error", queue=QUEUE, error=repr(error))
