"""What stands on a service's streams after a run, and what still waits on its way through the service."""

import json
from collections.abc import Collection, Mapping
from typing import Any, cast

import asyncpg
from redis.asyncio import Redis

from tests.proof.findings import FactSeen, Leftovers
from tests.support.services import ServiceName

CONSUMED: Mapping[ServiceName, tuple[str, ...]] = {
    "chat": ("chat.commands", "chat.turns", "knowledge.events"),
    "cockpit": ("cockpit.commands", "chat.events"),
    "knowledge": ("knowledge.commands",),
}
"""The streams that each service reads, in a group of its own name."""

_PAGE = 2_000
_COUNT_OUTBOX = "SELECT count(*) FROM outbox WHERE stream = $1"


async def leftovers(database_url: str, redis: Redis, service: ServiceName) -> Leftovers:
    """What waits on its way through a service, or got stuck."""
    connection = await asyncpg.connect(database_url, timeout=5)
    try:
        outbox = await connection.fetchval(_COUNT_OUTBOX, f"{service}.events")
    finally:
        await connection.close()
    waiting = [await _backlog(redis, stream, service) for stream in CONSUMED[service]]
    dead = [
        letter
        for stream in CONSUMED[service]
        for _, letter in await _entries(redis, f"{stream}.dead")
        if letter.get("dead-group", service) == service
    ]
    return Leftovers(
        sum(pending for pending, _ in waiting), sum(unread for _, unread in waiting), outbox, dead
    )


async def published(redis: Redis, stream: str, type_: str) -> list[tuple[str, dict[str, Any]]]:
    """Event id and data of each entry of one type, in the stream's order."""
    entries = await _entries(redis, stream)
    return [(fields["id"], json.loads(fields["data"])) for _, fields in entries if fields["type"] == type_]


async def facts_of(redis: Redis, service: ServiceName, keep: Collection[str]) -> list[FactSeen]:
    """The service's facts, in the stream's order; of the data only ``keep``."""
    return [_fact(fields, keep) for _, fields in await _entries(redis, f"{service}.events")]


def _fact(fields: Mapping[str, str], keep: Collection[str]) -> FactSeen:
    data = json.loads(fields["data"])
    kept = {name: data[name] for name in keep if name in data}
    return FactSeen(fields["id"], fields["type"], fields["subject"], int(fields["sequence"]), kept)


async def _backlog(redis: Redis, stream: str, group_name: str) -> tuple[int, int]:
    """Entries of a stream that are pending, and entries that nobody of the group has read."""
    groups: Any = await redis.xinfo_groups(stream) if await redis.exists(stream) else []
    for group in groups:
        if group["name"] == group_name:
            unread: Any = await redis.xrange(stream, min=f"({group['last-delivered-id']}", count=_PAGE)
            return int(group["pending"]), len(unread)
    return 0, int(await redis.xlen(stream))


async def _entries(redis: Redis, stream: str) -> list[tuple[str, dict[str, str]]]:
    """All of a stream, oldest first."""
    found: list[tuple[str, dict[str, str]]] = []
    after = "-"
    while page := cast("Any", await redis.xrange(stream, min=after, count=_PAGE)):
        found.extend(page)
        after = f"({page[-1][0]}"
    return found
