"""What BullMQ knows of a finished job: from the job, or from the queue's events once the job is removed."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from bullmq import Job, Queue  # type: ignore[import-untyped]

from knowledge.jobs.wire import PREFIX, QUEUE

EVENTS = f"{PREFIX}:{QUEUE}:events"
PAGE = 1000


@dataclass(slots=True, frozen=True)
class JobOutcome:
    """``failed_reason`` is ``None`` for a job that completed with ``result``."""

    result: Any = None
    failed_reason: str | None = None


async def outcome_of(queue: Queue, job_id: str) -> JobOutcome | None:
    """The outcome of a completed or failed job; ``None`` if it was just removed."""
    try:
        job = await Job.fromId(queue, job_id)
    except (TypeError, ValueError, AttributeError) as error:
        return JobOutcome(failed_reason=f"its job can't be read: {error!r}")
    if job is None:
        return None
    if job.failedReason:
        return JobOutcome(failed_reason=job.failedReason)
    return JobOutcome(job.returnvalue)


async def outcomes_told(queue: Queue, job_ids: Collection[str]) -> dict[str, JobOutcome]:
    """The outcomes of removed jobs (``removeOnComplete``), as far as the events reach back: BullMQ keeps some
    10,000. A job whose last event isn't an end is missing from the result."""
    outcomes: dict[str, JobOutcome] = {}
    wanted, newest = set(job_ids), "+"
    while wanted:
        page = await queue.client.xrevrange(EVENTS, max=newest, count=PAGE)
        for _, event in page:
            if event.get("jobId") not in wanted:
                continue
            wanted.discard(event["jobId"])
            if event["event"] == "completed":
                outcomes[event["jobId"]] = JobOutcome(_json(event.get("returnvalue", "")))
            elif event["event"] == "failed":
                outcomes[event["jobId"]] = JobOutcome(failed_reason=event.get("failedReason", ""))
        if len(page) < PAGE:
            break
        newest = f"({page[-1][0]}"
    return outcomes


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
