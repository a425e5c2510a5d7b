"""A schedule in BullMQ's terms, and when its runs actually start. Pure."""

import re
import zlib
from typing import Any

from knowledge.bases.records import KnowledgeBase
from knowledge.jobs.wire import job_data_of

JOB_NAME = "sync"
JOB_OPTIONS: dict[str, Any] = {"removeOnComplete": {"count": 100}, "removeOnFail": {"count": 50}}
"""The options with which the Node application adds its repeatables."""

_ITERATION = re.compile(r"repeat:.+:(\d{10,})")


def key_of(base_id: str) -> str:
    """The scheduler's key: the Node application's own, so that one base has one schedule."""
    return f"kb-sync-{base_id}"


def scheduled_data_of(base: KnowledgeBase) -> dict[str, Any]:
    """The data of each run. ``registered`` says that the registry knows the base. Such a job never registers
    it, so that a leftover schedule can't bring back a deleted base."""
    return {**job_data_of(base, "incremental"), "registered": True}


def is_in_step(base: KnowledgeBase, scheduler: dict[str, Any] | None) -> bool:
    """Whether the scheduler, as BullMQ describes it, is the base's."""
    if scheduler is None:
        return False
    template = scheduler.get("template") or {}
    return (
        (scheduler.get("name"), scheduler.get("pattern")) == (JOB_NAME, base.refresh_schedule)
        and scheduler.get("tz") in (None, "UTC")
        and template.get("data") == scheduled_data_of(base)
        and template.get("opts") == JOB_OPTIONS
    )


def jitter_ms(base_id: str, seconds: float) -> int:
    """How long after the minute the base's scheduled syncs start. It is always the same for a base, and
    spread evenly over ``seconds`` for many, so that a hundred hourly bases don't call GitHub at the same
    moment."""
    return zlib.crc32(base_id.encode()) % max(1, int(seconds * 1000))


def due_at(job_id: str, options: dict[str, Any], base_id: str, seconds: float, now_ms: int) -> int | None:
    """When a scheduled run is due (ms since the epoch); ``None``: at once, like any other job.

    Only five-field cron is spread: its runs are at least a minute apart. A run that comes before its minute
    was promoted by a person, who wants it now.
    """
    iteration = _ITERATION.fullmatch(job_id)
    pattern = (options.get("repeat") or {}).get("pattern") or ""
    if iteration is None or len(str(pattern).split()) != 5:
        return None
    minute = int(iteration.group(1))
    due = minute + jitter_ms(base_id, seconds)
    return due if minute <= now_ms < due else None
