"""What knowledge left, read straight from Postgres and Redis, and the folders as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from contracts.knowledge import RequestSync
from tests.proof.findings import FactSeen, Leftovers
from tests.proof.knowledge.load import COMMANDS, Folder
from tests.proof.streams import facts_of, leftovers, published

_LIST_SYNCS = """
SELECT id, knowledge_base_id, status, error FROM knowledge_syncs ORDER BY knowledge_base_id, created_at
"""
_LIST_CHUNKS = """
SELECT knowledge_base_id, metadata->>'sourceFile' AS path, content FROM knowledge_embeddings ORDER BY 1, 2
"""
_LIST_SEQUENCES = "SELECT id, event_sequence FROM knowledge_bases"
_COUNT_UNFINISHED = "SELECT count(*) FROM knowledge_syncs WHERE status NOT IN ('completed', 'failed')"
_QUEUE = "bull:kb-sync"


@dataclass(slots=True, frozen=True)
class SyncRow:
    """A sync as its history has it."""

    id: UUID
    base: str
    status: str
    error: str | None


@dataclass(slots=True, frozen=True)
class KnowledgeEvidence:
    """``syncs`` of each base in the order in which they were recorded; ``chunks``: (base, path, text) of each
    row; ``files``: the same of each file, short enough for one chunk; ``jobs`` that are not through.
    """

    facts: Sequence[FactSeen]
    syncs: Sequence[SyncRow]
    chunks: Sequence[tuple[str, str, str]]
    files: Sequence[tuple[str, str, str]]
    published: Sequence[str]
    sequences: Mapping[str, int]
    jobs: int
    left: Leftovers


async def collect_knowledge(database_url: str, redis: Redis, folders: Sequence[Folder]) -> KnowledgeEvidence:
    """Read everything. ``redis`` answers in text."""
    connection = await asyncpg.connect(database_url)
    try:
        syncs = [SyncRow(*row) for row in await connection.fetch(_LIST_SYNCS)]
        chunks = [(base, path, text.strip()) for base, path, text in await connection.fetch(_LIST_CHUNKS)]
        sequences = {row["id"]: row["event_sequence"] for row in await connection.fetch(_LIST_SEQUENCES)}
    finally:
        await connection.close()
    commands = await published(redis, COMMANDS, RequestSync.type)
    return KnowledgeEvidence(
        facts=await facts_of(redis, "knowledge", {"syncId"}),
        syncs=syncs,
        chunks=chunks,
        files=[(f.base, path, text.strip()) for f in folders for path, text in f.read().items()],
        published=[event_id for event_id, _ in commands],
        sequences=sequences,
        jobs=await _waiting_jobs(redis),
        left=await leftovers(database_url, redis, "knowledge"),
    )


async def are_syncs_done(database_url: str, redis: Redis) -> bool:
    """Whether every sync has an outcome, and no job is to run once more."""
    connection = await asyncpg.connect(database_url, timeout=5)
    try:
        unfinished = await connection.fetchval(_COUNT_UNFINISHED)
    finally:
        await connection.close()
    return not unfinished and not await _waiting_jobs(redis)


async def _waiting_jobs(redis: Redis) -> int:
    client: Any = redis
    lists = [await client.llen(f"{_QUEUE}:{name}") for name in ("wait", "paused", "active")]
    return int(sum(lists)) + int(await client.zcard(f"{_QUEUE}:delayed"))
