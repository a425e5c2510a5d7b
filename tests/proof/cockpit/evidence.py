"""What cockpit left, read straight from Postgres and Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from cockpit.events.records import STATUS_CHANGED
from contracts.chat import ConversationDeleted
from contracts.cockpit import ExecuteCommand
from tests.proof.cockpit.load import COMMANDS
from tests.proof.findings import FactSeen, Leftovers
from tests.proof.streams import facts_of, leftovers, published

_LIST_EVENTS = "SELECT session_id, id FROM cockpit_events WHERE event_name <> $1 ORDER BY session_id, id"
_LIST_SERVERS = "SELECT user_id, status, event_sequence FROM cockpit_game_servers"
_LIST_SESSIONS = "SELECT id, event_sequence FROM cockpit_sessions"
_LIST_CONVERSATIONS = "SELECT id FROM conversations"


@dataclass(slots=True, frozen=True)
class ServerRow:
    """A user's server; ``sequence`` is the last one that its session assigned while it ran there."""

    status: str
    sequence: int


@dataclass(slots=True, frozen=True)
class CockpitEvidence:
    """``events``: ids of each session's game events, in the order that a tab sees, the newest
    ``cockpit.events.repository.KEPT`` of all kinds; ``published``: marker of each line in the command stream;
    ``deleted``: chat's distinct facts of each deleted conversation.
    """

    facts: Sequence[FactSeen]
    events: Mapping[UUID, Sequence[int]]
    published: Sequence[str]
    sequences: Mapping[UUID, int]
    servers: Mapping[str, ServerRow]
    conversations: frozenset[UUID]
    deleted: Mapping[UUID, int]
    left: Leftovers


async def collect_cockpit(database_url: str, redis: Redis) -> CockpitEvidence:
    """Read everything. ``redis`` answers in text."""
    connection = await asyncpg.connect(database_url)
    try:
        events: dict[UUID, list[int]] = {}
        for row in await connection.fetch(_LIST_EVENTS, STATUS_CHANGED):
            events.setdefault(row["session_id"], []).append(row["id"])
        servers = {
            row["user_id"]: ServerRow(row["status"], row["event_sequence"])
            for row in await connection.fetch(_LIST_SERVERS)
        }
        sequences = {row["id"]: row["event_sequence"] for row in await connection.fetch(_LIST_SESSIONS)}
        conversations = frozenset(row["id"] for row in await connection.fetch(_LIST_CONVERSATIONS))
    finally:
        await connection.close()
    told = {fact.id: fact for fact in await facts_of(redis, "chat", {"conversationId"})}
    deleted: dict[UUID, int] = {}
    for fact in told.values():
        if fact.type == ConversationDeleted.type:
            conversation = UUID(fact.data["conversationId"])
            deleted[conversation] = deleted.get(conversation, 0) + 1
    lines = await published(redis, COMMANDS, ExecuteCommand.type)
    return CockpitEvidence(
        facts=await facts_of(redis, "cockpit", {"eventName", "eventId", "meta", "status", "reason"}),
        events=events,
        published=[data["command"].partition(" ")[2] for _, data in lines],
        sequences=sequences,
        servers=servers,
        conversations=conversations,
        deleted=deleted,
        left=await leftovers(database_url, redis, "cockpit"),
    )
