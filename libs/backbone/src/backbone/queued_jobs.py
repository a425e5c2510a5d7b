"""Finds the jobs and schedulers of a BullMQ queue that concern a user's knowledge bases, in every state."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from backbone.erased_ids import digest_of_subject, list_erased_of
from common.postgres import Connection

KEY = "bull:kb-sync"
LISTS = ("wait", "paused", "active")
SETS = ("prioritized", "delayed", "waiting-children", "completed", "failed")
SCHEDULERS = "repeat"
PAGE = 500

_SCHEDULER = re.compile(r"(?:repeat:)?kb-sync-(.+?)(?::\d{10,})?")
"""The keys of schedulers, and the ids of their runs, name the base."""


@dataclass(slots=True, frozen=True)
class QueuedJob:
    """A job, or a scheduler (``state`` is ``repeat``), and the base that it says it is for."""

    state: str
    id: str
    base_id: str | None


def open_queue(url: str) -> Redis:
    """A client that reads what any program may have written: bytes that aren't UTF-8 come as surrogates."""
    return Redis.from_url(
        url,
        decode_responses=True,
        encoding_errors="surrogateescape",
        socket_timeout=5,
        socket_connect_timeout=5,
    )


async def find_erased(redis: Redis, connection: Connection, user_id: str) -> AsyncIterator[list[QueuedJob]]:
    """Pages of the jobs for bases that were erased with the user."""
    async for page in _pages(redis):
        digests = {job.base_id: digest_of_subject(job.base_id) for job in page if job.base_id}
        erased = await list_erased_of(connection, digests.values(), user_id)
        if found := [job for job in page if job.base_id and digests[job.base_id] in erased]:
            yield found


async def _pages(redis: Redis) -> AsyncIterator[list[QueuedJob]]:
    for state in (SCHEDULERS, *LISTS, *SETS):
        start, key = 0, f"{KEY}:{state}"
        while True:
            reading: Any = redis.lrange if state in LISTS else redis.zrange
            ids: list[str] = await reading(key, start, start + PAGE - 1)
            if ids:
                yield await _read(redis, state, ids)
            if len(ids) < PAGE:
                break
            start += PAGE


async def _read(redis: Redis, state: str, ids: Sequence[str]) -> list[QueuedJob]:
    pipeline = redis.pipeline(transaction=False)
    for job_id in ids:
        pipeline.hget(f"{KEY}:{SCHEDULERS}:{job_id}" if state == SCHEDULERS else f"{KEY}:{job_id}", "data")
    found = await pipeline.execute(raise_on_error=False)
    return [QueuedJob(state, job_id, _base_of(job_id, data)) for job_id, data in zip(ids, found, strict=True)]


def _base_of(job_id: str, stored: object) -> str | None:
    try:
        data = json.loads(stored) if isinstance(stored, str) else None
    except ValueError:
        data = None
    base_id = data.get("knowledgeBaseId") if isinstance(data, dict) else None
    if isinstance(base_id, str):
        return base_id.encode(errors="replace").decode()
    match = _SCHEDULER.fullmatch(job_id)
    return match[1].encode(errors="replace").decode() if match else None
