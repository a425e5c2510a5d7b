"""What is there after a run, read straight from Postgres and Redis: chat's part, and what all parts share."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from contracts.chat import AppendMessage
from tests.chaos.findings import FactSeen, Leftovers
from tests.support.services import ServiceName

COMMANDS, FACTS, DEAD, GROUP = "chat.commands", "chat.events", "chat.commands.dead", "chat"
CONSUMED: Mapping[ServiceName, tuple[str, ...]] = {
    "chat": (COMMANDS,),
    "cockpit": ("cockpit.commands", FACTS),
    "knowledge": ("knowledge.commands",),
}
"""The streams that each service reads, in a group of its own name."""

_PAGE = 2_000

# The order that readers see, as the promise names it.
_LIST_ROWS = (
    "SELECT id, conversation_id, content, created_at FROM messages ORDER BY conversation_id, created_at, id"
)
_LIST_SEQUENCES = "SELECT id, event_sequence FROM conversations"
_COUNT_OUTBOX = "SELECT count(*) FROM outbox WHERE stream = $1"


@dataclass(slots=True, frozen=True)
class Row:
    """A message; its marker is the first word of its content."""

    id: UUID
    conversation: UUID
    marker: str
    created_at: datetime


@dataclass(slots=True, frozen=True)
class Evidence:
    """``rows`` in reading order; ``published``: marker of each append in the command stream, in its order;
    ``sequences``: the last sequence that each conversation gave out.
    """

    rows: Sequence[Row]
    published: Sequence[str]
    facts: Sequence[FactSeen]
    sequences: Mapping[UUID, int]
    left: Leftovers


async def collect(database_url: str, redis: Redis) -> Evidence:
    """Read everything. ``redis`` answers in text."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = [
            Row(row["id"], row["conversation_id"], row["content"].partition(" ")[0], row["created_at"])
            for row in await connection.fetch(_LIST_ROWS)
        ]
        sequences = {row["id"]: row["event_sequence"] for row in await connection.fetch(_LIST_SEQUENCES)}
    finally:
        await connection.close()
    appends = await published(redis, COMMANDS, AppendMessage.type)
    return Evidence(
        rows=rows,
        published=[data["content"].partition(" ")[0] for _, data in appends],
        facts=await facts_of(redis, "chat", {"messageId"}),
        sequences=sequences,
        left=await leftovers(database_url, redis, "chat"),
    )


async def leftovers(database_url: str, redis: Redis, service: ServiceName) -> Leftovers:
    """What waits on its way through a service, or went no further."""
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
    """What the service has told, in the stream's order; of the data only ``keep``."""
    return [_fact(fields, keep) for _, fields in await _entries(redis, f"{service}.events")]


def _fact(fields: Mapping[str, str], keep: Collection[str]) -> FactSeen:
    data = json.loads(fields["data"])
    kept = {name: data[name] for name in keep if name in data}
    return FactSeen(fields["id"], fields["type"], fields["subject"], int(fields["sequence"]), kept)


async def _backlog(redis: Redis, stream: str, group_name: str) -> tuple[int, int]:
    """Entries of a stream that are pending, and that nobody of the group has read."""
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
