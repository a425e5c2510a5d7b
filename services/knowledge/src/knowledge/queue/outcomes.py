"""What BullMQ knows of a job that has ended: in the job, or in the queue's events once that is gone."""

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
    """``failed_reason`` is ``None`` for a job that was completed with ``result``."""

    result: Any = None
    failed_reason: str | None = None


async def outcome_of(queue: Queue, job_id: str) -> JobOutcome | None:
    """The outcome of a job that is among the completed or failed ones; ``None`` when it has just gone."""
    job = await Job.fromId(queue, job_id)
    if job is None:
        return None
    if job.failedReason:
        return JobOutcome(failed_reason=job.failedReason)
    return JobOutcome(job.returnvalue)


async def outcomes_told(queue: Queue, job_ids: Collection[str]) -> dict[str, JobOutcome]:
    """How jobs that are gone (``removeOnComplete``) have ended, as far as the events reach back: BullMQ keeps
    some 10,000. A job whose last event is no end is missing."""
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
