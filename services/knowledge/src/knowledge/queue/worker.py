"""The worker of ``kb-sync``: BullMQ's Python port, plus what it lacks compared with Node's."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from bullmq import Job  # type: ignore[import-untyped]
from bullmq.custom_errors import DelayedError, UnrecoverableError  # type: ignore[import-untyped]
from opentelemetry.trace import SpanKind

from backbone.leases import LeaseLost
from common import backoff
from common.errors import PermanentError, TakaroError
from common.telemetry import links_to, span
from knowledge.content.lease import BaseBusy
from knowledge.jobs.connection import worker_client
from knowledge.jobs.wire import PREFIX, QUEUE, trace_of
from knowledge.queue.keeping_worker import KeepingWorker
from knowledge.waiting.later import Later
from knowledge.waiting.slots import Slots

log = structlog.get_logger()

_PUT_BACK = object()


class Postponed(Later):
    """The job is due later; nothing has failed."""

    def __init__(self, until_ms: int) -> None:
        super().__init__("the job runs later", retry_at=until_ms / 1000, code="postponed")
        self.until_ms = until_ms


Handler = Callable[[Job], Awaitable[dict[str, Any]]]


class QueueWorker:
    """Runs jobs with ``handler``. Replaces BullMQ's own worker whenever that ends."""

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
        self._slots, self._grace = Slots(concurrency), grace_seconds
        self._lock_ms = int(lock_seconds * 1000)
        self._worker: KeepingWorker | None = None
        self._stopping = False
        self._running_jobs: set[asyncio.Task[dict[str, Any]]] = set()

    @property
    def running(self) -> bool:
        """Whether it takes jobs."""
        return self._worker is not None and bool(self._worker.running)

    async def run(self) -> None:
        """Take jobs until cancelled, then finish or release those in flight."""
        while True:
            client = worker_client(self._redis_url)
            options = {
                "connection": client,
                "prefix": PREFIX,
                "autorun": False,
                "lockDuration": self._lock_ms,
                "stalledInterval": self._lock_ms,
                "runRetryDelay": 1000,
            }
            worker = KeepingWorker(QUEUE, self._process, options, self._slots)
            worker.on("error", _log_error)
            self._worker = worker
            running = asyncio.create_task(worker.run())
            self._stopping = False
            try:
                # Not `await running`: a cancellation by BullMQ would look like one of ours.
                await asyncio.wait([running])
                error = None if running.cancelled() else running.exception()
                log.error("queue worker ended, starting it again", queue=QUEUE, error=repr(error))
            finally:
                await self._close(worker, running)
                with suppress(Exception):
                    await client.aclose()
            await asyncio.sleep(1)

    async def _process(self, job: Job, token: str) -> object:
        """Run one job. Raises only ordinary errors: a ``CancelledError`` would end the worker."""
        problem = self._worker.problems.pop(job.id, None) if self._worker is not None else None
        if problem is not None:
            log.warning("job failed", job=job.id, name=job.name, reason=problem)
            raise UnrecoverableError(problem)
        with self._process_span(job):
            result = await self._attempt(job, token)
        if result is _PUT_BACK:  # raised outside the span: to run later isn't a failure
            raise DelayedError
        return result

    @contextmanager
    def _process_span(self, job: Job) -> Iterator[None]:
        trace = trace_of(job.opts)
        # The iterations of a repeatable all carry the context of its creator, so they link to that trace.
        repeated = bool(job.repeatJobKey)
        with span(
            f"process {QUEUE}",
            parent=None if repeated else trace,
            root=True,
            links=links_to([trace]) if repeated else (),
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
        """The job's result, which may be None; ``_PUT_BACK`` if it was put back."""
        task: asyncio.Task[dict[str, Any]] | None = None
        try:
            # Here rather than in the task, so that the slot is taken before the worker looks for the next
            # job.
            async with self._slots.hold():
                if self._stopping:
                    raise asyncio.CancelledError
                task = asyncio.ensure_future(self._handler(job))
                self._running_jobs.add(task)
                return await task
        except Later as later:
            log.info("job put back", job=job.id, reason=later.reason)
            await job.moveToDelayed(_back_at_ms(job, later), token)
            return _PUT_BACK
        except LeaseLost as error:
            # Another run holds this base. If it has this very job, the job's outcome comes from that run, and
            # the queue won't put the job back. Otherwise the job still has to run.
            log.warning("job was overtaken", job=job.id, reason=error.reason)
            with suppress(TypeError):  # another worker has the lock, or the job has ended
                await job.moveToDelayed(_back_at_ms(job, BaseBusy(error.reason)), token)
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
            if task is not None:
                task.cancel()
                self._running_jobs.discard(task)

    async def _close(self, worker: KeepingWorker, running: asyncio.Task[None]) -> None:
        """Close within the grace period. BullMQ's ``close`` never returns while Redis is down, and swallows a
        cancellation."""
        worker.closing = self._stopping = True
        if self._running_jobs:
            await asyncio.wait(self._running_jobs, timeout=self._grace / 2)
            for job in self._running_jobs:
                job.cancel()
        closing = asyncio.create_task(worker.close())
        await asyncio.wait([closing], timeout=self._grace / 4)
        if not closing.done():
            log.warning("queue worker did not close in time", queue=QUEUE)
            # While it closes it keeps retrying an absent Redis without a pause.
            worker.cancelProcessing()
            running.cancel()
            await asyncio.wait([closing, running], timeout=self._grace / 4)
        worker.closed = True


def _back_at_ms(job: Job, later: Later) -> int:
    """When a job that was put back runs."""
    retry_at = later.retry_at
    if retry_at is None:
        returns = job.attemptsStarted - job.attemptsMade - 1
        retry_at = time.time() + pause_after(returns, later.longest_pause)
    return int(retry_at * 1000)


def pause_after(returns: int, longest: float) -> float:
    """Seconds until a job runs that was put back ``returns`` times before."""
    return backoff.pause(max(returns, 0) + 1, first=1, longest=longest)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _log_error(error: object, *_: object) -> None:
    log.warning("queue worker error", queue=QUEUE, error=repr(error))
