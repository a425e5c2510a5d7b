"""Everything that is known of one event: outbox, streams, deliveries, inbox, effects, facts, trace."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from pydantic.alias_generators import to_camel
from redis.asyncio import Redis

from common.postgres import Connection
from takaro_operator import search
from takaro_operator.entries import Entry, order, text
from takaro_operator.search import Clues, Found, Progress

LIST_OUTBOX_OF_EVENT = """
SELECT stream, position, event_id, type, subject, sequence, time, traceparent
FROM outbox
WHERE event_id = ANY($1::uuid[]) OR substr(traceparent, 4, 32) = ANY($2::text[])
ORDER BY stream, position
"""
LIST_INBOX_OF_EVENT = """
SELECT consumer, key, event_id, source, type, outcome, trace_id, handled_at
FROM inbox WHERE event_id = ANY($1::text[]) ORDER BY handled_at
"""
LIST_MESSAGES_OF_EVENT = """
SELECT id, conversation_id, role, created_at FROM messages WHERE id = ANY($1::uuid[])
"""
LIST_CONVERSATIONS_OF_EVENT = """
SELECT id, agent_id, user_id, created_at FROM conversations WHERE id = ANY($1::uuid[])
"""


@dataclass(slots=True, frozen=True)
class Delivery:
    """Where a consumer group is with an entry: ``unread``, ``pending`` or ``acknowledged``."""

    stream: str
    entry_id: str
    group: str
    state: str
    consumer: str | None = None
    times_delivered: int | None = None
    idle_seconds: float | None = None


@dataclass(slots=True)
class Journey:
    """What was found of the event ``id``; rows are as the database gives them."""

    id: str
    found: Found
    deliveries: list[Delivery] = field(default_factory=list)
    waiting: list[asyncpg.Record] = field(default_factory=list)
    inbox: list[asyncpg.Record] = field(default_factory=list)
    messages: list[asyncpg.Record] = field(default_factory=list)
    conversations: list[asyncpg.Record] = field(default_factory=list)

    @property
    def known(self) -> bool:
        found = self.found
        return any(
            (
                found.entries,
                found.letters,
                found.facts,
                self.waiting,
                self.inbox,
                self.messages,
                self.conversations,
            )
        )

    def to_json(self) -> dict[str, Any]:
        """Keys are camelCase and always there; see docs/operations."""
        found = self.found
        return {
            "id": self.id,
            "keys": sorted(map(str, found.clues.keys)),
            "traceIds": sorted(found.clues.traces),
            "outbox": [_row(row) for row in self.waiting],
            "entries": [entry.to_json() for entry in search.in_order(found.entries)],
            "deliveries": [_camel(delivery) for delivery in self.deliveries],
            "deadLetters": [letter.to_full_json() for letter in found.letters.values()],
            "inbox": [_row(row) for row in self.inbox],
            "effects": {
                "messages": [_row(row) for row in self.messages],
                "conversations": [_row(row) for row in self.conversations],
            },
            "facts": [entry.to_json() for entry in search.in_order(found.facts)],
            "searched": {
                stream: {"entries": count, "all": whole} for stream, (count, whole) in found.searched.items()
            },
        }


async def follow(connection: Connection, redis: Redis, given: str, depth: int, progress: Progress) -> Journey:
    """Collect what is known of an event; ``given`` is its id or the id of an entry that holds it."""
    event_id = await search.resolve(redis, given)
    clues = Clues(ids={event_id}, keys=_uuids([event_id]))
    spellings = {event_id, *map(str, clues.keys)}
    clues.ids |= spellings
    inbox = await connection.fetch(LIST_INBOX_OF_EVENT, list(spellings))
    clues.keys |= {row["key"] for row in inbox if row["outcome"] == "handled"}
    clues.traces |= {row["trace_id"] for row in inbox if row["trace_id"]}
    found = await search.search(redis, clues, depth, progress)
    waiting = await connection.fetch(LIST_OUTBOX_OF_EVENT, list(_uuids(clues.ids)), list(clues.traces))
    keys = list(clues.keys)
    return Journey(
        event_id,
        found,
        await _deliveries(redis, search.in_order(found.entries)),
        waiting,
        inbox,
        await connection.fetch(LIST_MESSAGES_OF_EVENT, keys),
        await connection.fetch(LIST_CONVERSATIONS_OF_EVENT, keys),
    )


async def _deliveries(redis: Redis, entries: Sequence[Entry]) -> list[Delivery]:
    deliveries = []
    for entry in entries:
        groups: Any = await redis.xinfo_groups(entry.stream)
        for group in groups:
            name = text(group["name"])
            here = (entry.stream, entry.entry_id, name)
            rows: Any = await redis.xpending_range(
                entry.stream, name, min=entry.entry_id, max=entry.entry_id, count=1
            )
            if rows:
                [row] = rows
                idle = row["time_since_delivered"] / 1000
                deliveries.append(
                    Delivery(*here, "pending", text(row["consumer"]), row["times_delivered"], idle)
                )
            else:
                read = entry.order <= order(text(group["last-delivered-id"]))
                deliveries.append(Delivery(*here, "acknowledged" if read else "unread"))
    return deliveries


def _uuids(ids: set[str] | Sequence[str]) -> set[UUID]:
    found = set()
    for value in ids:
        try:
            found.add(UUID(value))
        except ValueError:
            continue
    return found


def _row(row: asyncpg.Record) -> dict[str, Any]:
    return {to_camel(name): value for name, value in row.items()}


def _camel(delivery: Delivery) -> dict[str, Any]:
    return {to_camel(name): getattr(delivery, name) for name in delivery.__slots__}
