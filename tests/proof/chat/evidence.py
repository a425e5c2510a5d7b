"""What chat left, read straight from Postgres and Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from contracts.chat import AppendMessage
from tests.proof.findings import FactSeen, Leftovers
from tests.proof.streams import facts_of, leftovers, published

COMMANDS, DEAD = "chat.commands", "chat.commands.dead"

# The order that readers see, as the promise names it.
_LIST_ROWS = (
    "SELECT id, conversation_id, content, created_at FROM messages ORDER BY conversation_id, sequence"
)
_LIST_SEQUENCES = "SELECT id, event_sequence FROM conversations"


@dataclass(slots=True, frozen=True)
class Row:
    """A message; its marker is the first word of its content."""

    id: UUID
    conversation: UUID
    marker: str
    created_at: datetime


@dataclass(slots=True, frozen=True)
class ChatEvidence:
    """``rows`` in reading order. ``published``: marker of each append in the command stream, in its order.
    ``sequences``: the last sequence that each conversation assigned."""

    rows: Sequence[Row]
    published: Sequence[str]
    facts: Sequence[FactSeen]
    sequences: Mapping[UUID, int]
    left: Leftovers


async def collect_chat(database_url: str, redis: Redis) -> ChatEvidence:
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
    return ChatEvidence(
        rows=rows,
        published=[data["content"].partition(" ")[0] for _, data in appends],
        facts=await facts_of(redis, "chat", {"messageId"}),
        sequences=sequences,
        left=await leftovers(database_url, redis, "chat"),
    )
