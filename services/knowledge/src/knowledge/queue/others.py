"""The jobs of other programs that wait for a base, as the queue has them now."""

import json
from collections.abc import Sequence
from uuid import UUID, uuid5

import structlog
from bullmq import Job  # type: ignore[import-untyped]
from redis.asyncio import Redis
from redis.exceptions import RedisError

from common.errors import TakaroError
from knowledge.jobs.wire import PREFIX, QUEUE, JobData, parse_job
from knowledge.requests.rules import sync_id_of

log = structlog.get_logger()

MOST = 1000
"""Jobs of one state that are looked at. A job that isn't gets a run of its own."""

_JOBS = UUID("2d6d1a35-7c55-5f0e-8a4b-0f7f1f2a9c31")
"""Namespace of the sync ids of jobs that other programs added."""

_LISTS = ("wait", "paused", "active")
_SETS = ("prioritized", "delayed")
_FIELDS = ("name", "data", "timestamp", "ats")


def sync_id_of_job(job_id: str, timestamp: int) -> UUID:
    """The sync that a job stands for. Another program may use a job's id again, at another time."""
    return sync_id_of(job_id) or uuid5(_JOBS, f"{job_id}\n{timestamp}")


async def list_waiting_alike(job: Job, data: JobData) -> Sequence[UUID]:
    """The syncs of other programs' jobs that a run of ``job``, with this ``data``, does as well.

    They are due, describe the same base and want no more. Empty if Redis can't be asked.
    """
    client: Redis = job.queue.client
    try:
        return await _list(client, str(job.id), data)
    except (RedisError, OSError) as error:
        log.warning("waiting jobs not read", job=job.id, error=repr(error))
        return ()


async def _list(client: Redis, own_id: str, data: JobData) -> Sequence[UUID]:
    queue = f"{PREFIX}:{QUEUE}"
    listing = client.pipeline(transaction=False)
    for name in _LISTS:
        listing.lrange(f"{queue}:{name}", 0, MOST - 1)
    for name in _SETS:
        listing.zrange(f"{queue}:{name}", 0, MOST - 1)
    found = await listing.execute()
    states = dict(zip((*_LISTS, *_SETS), found, strict=True))
    ids = [(state, job_id) for state, those in states.items() for job_id in those]
    others = [(state, job_id) for state, job_id in ids if job_id != own_id and sync_id_of(job_id) is None]
    if not others:
        return ()
    reading = client.pipeline(transaction=False)
    for _, job_id in others:
        reading.hmget(f"{queue}:{job_id}", _FIELDS)
    alike = []
    for (state, job_id), fields in zip(others, await reading.execute(raise_on_error=False), strict=True):
        if isinstance(fields, list) and _is_alike(data, state, fields):
            alike.append(sync_id_of_job(job_id, int(fields[2])))
    return alike


def _is_alike(data: JobData, state: str, fields: Sequence[str | None]) -> bool:
    name, text, timestamp, started = fields
    if state == "delayed" and not int(started or 0):
        return False  # a schedule's next run, or a job that is meant for later
    if not name or not text or not timestamp or not timestamp.isdecimal():
        return False
    try:
        other = parse_job(name, json.loads(text))
    except (TakaroError, ValueError, TypeError):
        return False
    return other.base() == data.base() and data.does_as_much_as(other.mode, other.confirm_removal)
