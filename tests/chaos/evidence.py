"""What is there after a run, read straight from Postgres and Redis."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

COMMANDS, FACTS, DEAD, GROUP = "chat.commands", "chat.events", "chat.commands.dead", "chat"
_PAGE = 2_000

# The order that readers see, as the promise names it.
_LIST_ROWS = (
    "SELECT id, conversation_id, content, created_at FROM messages ORDER BY conversation_id, created_at, id"
)
_LIST_SEQUENCES = "SELECT id, event_sequence FROM conversations"
_COUNT_OUTBOX = "SELECT count(*) FROM outbox"


@dataclass(slots=True, frozen=True)
class Row:
    """A message; its marker is the first word of its content."""

    id: UUID
    conversation: UUID
    marker: str
    created_at: datetime


@dataclass(slots=True, frozen=True)
class FactSeen:
    """A fact as its stream has it; ``message`` for appended messages."""

    id: str
    type: str
    subject: str
    sequence: int
    message: UUID | None


@dataclass(slots=True, frozen=True)
class Evidence:
    """``rows`` in reading order; ``published``: marker of each entry of the command stream, in its order;
    ``sequences``: the last sequence that each conversation gave out.
    """

    rows: Sequence[Row]
    published: Sequence[str]
    facts: Sequence[FactSeen]
    sequences: Mapping[UUID, int]
    dead: Sequence[Mapping[str, str]]
    pending: int
    unread: int
    outbox: int


async def collect(database_url: str, redis: Redis) -> Evidence:
    """Read everything. ``redis`` answers in text."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = [
            Row(row["id"], row["conversation_id"], row["content"].partition(" ")[0], row["created_at"])
            for row in await connection.fetch(_LIST_ROWS)
        ]
        sequences = {row["id"]: row["event_sequence"] for row in await connection.fetch(_LIST_SEQUENCES)}
        outbox = await connection.fetchval(_COUNT_OUTBOX)
    finally:
        await connection.close()
    commands = await entries(redis, COMMANDS)
    pending, unread = await backlog(redis)
    return Evidence(
        rows=rows,
        published=[_marker(fields) for _, fields in commands],
        facts=[_fact(fields) for _, fields in await entries(redis, FACTS)],
        sequences=sequences,
        dead=[fields for _, fields in await entries(redis, DEAD)],
        pending=pending,
        unread=unread,
        outbox=outbox,
    )


async def backlog(redis: Redis) -> tuple[int, int]:
    """Entries of the command stream that are pending, and that nobody has read."""
    groups: Any = await redis.xinfo_groups(COMMANDS) if await redis.exists(COMMANDS) else []
    for group in groups:
        if group["name"] == GROUP:
            unread: Any = await redis.xrange(COMMANDS, min=f"({group['last-delivered-id']}", count=_PAGE)
            return int(group["pending"]), len(unread)
    return 0, int(await redis.xlen(COMMANDS))


async def waiting_facts(database_url: str) -> int:
    """Facts that wait in the outbox."""
    connection = await asyncpg.connect(database_url, timeout=5)
    try:
        return int(await connection.fetchval(_COUNT_OUTBOX))
    finally:
        await connection.close()


async def entries(redis: Redis, stream: str) -> list[tuple[str, dict[str, str]]]:
    """All of a stream, oldest first."""
    found: list[tuple[str, dict[str, str]]] = []
    after = "-"
    while page := cast("Any", await redis.xrange(stream, min=after, count=_PAGE)):
        found.extend(page)
        after = f"({page[-1][0]}"
    return found


def _marker(fields: Mapping[str, str]) -> str:
    content: str = json.loads(fields["data"])["content"]
    return content.partition(" ")[0]


def _fact(fields: Mapping[str, str]) -> FactSeen:
    message = json.loads(fields["data"]).get("messageId")
    return FactSeen(
        fields["id"],
        fields["type"],
        fields["subject"],
        int(fields["sequence"]),
        UUID(message) if message else None,
    )
