"""SQL that takes a base away. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from common.errors import NotFound
from common.postgres import Connection
from knowledge.bases.records import BaseView, KnowledgeBase, largest_overlap
from knowledge.sources import Repository

GET_BASE = """
SELECT id, name, description, source, version, extensions, include, exclude, chunk_size, chunk_overlap,
       refresh_schedule, origin, owner, public
FROM knowledge_bases WHERE id = $1
"""


async def get_base(connection: Connection, base_id: str) -> KnowledgeBase | None:
    """The base as the registry defines it; ``None`` if there is none."""
    row = await connection.fetchrow(GET_BASE, base_id)
    return _base(row) if row else None


UPSERT_BASE = """
INSERT INTO knowledge_bases AS known (id, name, description, source, version, extensions, include, exclude,
    chunk_size, chunk_overlap, refresh_schedule, origin, owner, public, event_sequence, told)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
    $15::bigint + 1, true)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description,
    source = excluded.source, version = excluded.version, extensions = excluded.extensions,
    include = excluded.include, exclude = excluded.exclude, chunk_size = excluded.chunk_size,
    chunk_overlap = excluded.chunk_overlap, refresh_schedule = excluded.refresh_schedule,
    origin = excluded.origin, owner = excluded.owner, public = excluded.public,
    event_sequence = known.event_sequence + 1, told = true, updated_at = now()
WHERE (known.name, known.description, known.source, known.version, known.extensions, known.include,
       known.exclude, known.chunk_size, known.chunk_overlap, known.origin, known.public)
      IS DISTINCT FROM (excluded.name, excluded.description, excluded.source, excluded.version,
       excluded.extensions, excluded.include, excluded.exclude, excluded.chunk_size, excluded.chunk_overlap,
       excluded.origin, excluded.public)
   OR known.refresh_schedule IS DISTINCT FROM excluded.refresh_schedule
   OR known.owner IS DISTINCT FROM excluded.owner
RETURNING event_sequence
"""


async def upsert_base(connection: Connection, base: KnowledgeBase, last_sequence: int) -> int | None:
    """Store ``base``. Returns the sequence of the fact to publish; ``None`` if nothing changed. A new base
    continues from ``last_sequence``, that of an earlier base with its id."""
    sequence: int | None = await connection.fetchval(
        UPSERT_BASE,
        base.id,
        base.name,
        base.description,
        base.source,
        base.version,
        list(base.extensions),
        list(base.include),
        list(base.exclude),
        base.chunk_size,
        base.chunk_overlap,
        base.refresh_schedule,
        base.origin,
        base.owner,
        base.public,
        last_sequence,
    )
    return sequence


UPDATE_SEQUENCE = """
UPDATE knowledge_bases SET event_sequence = event_sequence + 1 WHERE id = $1 RETURNING event_sequence
"""


async def update_sequence(connection: Connection, base_id: str) -> int:
    """The next sequence of the base's facts. Its row stays locked until the commit. Raises ``NotFound`` if
    the base was deleted."""
    sequence: int | None = await connection.fetchval(UPDATE_SEQUENCE, base_id)
    if sequence is None:
        raise NotFound("The knowledge base was deleted", code="knowledge_base_deleted")
    return sequence


DELETE_BASE = "DELETE FROM knowledge_bases WHERE id = $1 RETURNING event_sequence"


async def delete_base(connection: Connection, base_id: str) -> int:
    """Delete an existing base with its indexes, files and syncs. Returns the last sequence of its facts."""
    sequence: int = await connection.fetchval(DELETE_BASE, base_id)
    return sequence


_VIEWS = """base.id, base.name, base.description, base.version, base.refresh_schedule, base.source,
       state.last_commit_sha, state.last_synced_at,
       (SELECT count(DISTINCT chunk.metadata ->> 'sourceFile') FROM knowledge_embeddings AS chunk
        WHERE chunk.knowledge_base_id = base.id AND chunk.version = base.version) AS document_count,
       coalesce(pending.state, CASE WHEN ended.status = 'failed' THEN 'failed' ELSE 'idle' END) AS state,
       ended.error AS last_error,
       coalesce(found.result -> 'notices', '[]'::jsonb) AS notices
FROM knowledge_bases AS base
LEFT JOIN knowledge_sync_state AS state ON state.knowledge_base_id = base.id
LEFT JOIN LATERAL (
    SELECT CASE WHEN bool_or(sync.status = 'running') THEN 'syncing' ELSE 'queued' END AS state
    FROM knowledge_syncs AS sync
    WHERE sync.knowledge_base_id = base.id AND sync.status IN ('requested', 'queued', 'running')
    HAVING count(*) > 0
) AS pending ON true
LEFT JOIN LATERAL (
    SELECT sync.status, sync.error FROM knowledge_syncs AS sync
    WHERE sync.knowledge_base_id = base.id AND sync.status IN ('completed', 'failed')
    ORDER BY sync.created_at DESC LIMIT 1
) AS ended ON true
LEFT JOIN LATERAL (
    SELECT sync.result FROM knowledge_syncs AS sync
    WHERE sync.knowledge_base_id = base.id AND sync.result ? 'notices'
    ORDER BY sync.created_at DESC LIMIT 1
) AS found ON found.result ->> 'source' = base.source"""
_VISIBLE = "(base.public OR base.owner = $1)"

LIST_BASES = f"""
SELECT {_VIEWS}
WHERE ($2::text IS NULL OR base.id = $2) AND {_VISIBLE}
ORDER BY base.id
"""


async def list_bases(connection: Connection, user_id: str, base_id: str | None = None) -> Sequence[BaseView]:
    """Every base that the user can see, or only ``base_id``, as HTTP shows them."""
    return [BaseView(**dict(row)) for row in await connection.fetch(LIST_BASES, user_id, base_id)]


LIST_BASES_AFTER = f"""
SELECT {_VIEWS}
WHERE base.id > coalesce($2::text, '') AND {_VISIBLE}
ORDER BY base.id
LIMIT $3
"""


async def list_bases_after(
    connection: Connection, user_id: str, base_id: str | None, limit: int
) -> Sequence[BaseView]:
    """The bases that the user can see, by id: the first ``limit`` after ``base_id``."""
    rows = await connection.fetch(LIST_BASES_AFTER, user_id, base_id, limit)
    return [BaseView(**dict(row)) for row in rows]


LIST_BASES_BEFORE = f"""
SELECT {_VIEWS}
WHERE ($2::text IS NULL OR base.id < $2) AND {_VISIBLE}
ORDER BY base.id DESC
LIMIT $3
"""


async def list_bases_before(
    connection: Connection, user_id: str, base_id: str | None, limit: int
) -> Sequence[BaseView]:
    """The bases that the user can see, by id backwards: the first ``limit`` before ``base_id``."""
    rows = await connection.fetch(LIST_BASES_BEFORE, user_id, base_id, limit)
    return [BaseView(**dict(row)) for row in rows]


COUNT_BASES = f"""
SELECT count(*) FROM (SELECT FROM knowledge_bases AS base WHERE {_VISIBLE} LIMIT $2) AS visible
"""  # noqa: S608 -- a constant


async def count_bases(connection: Connection, user_id: str, limit: int) -> int:
    """How many bases the user can see; counting ends at ``limit``."""
    count: int = await connection.fetchval(COUNT_BASES, user_id, limit)
    return count


_USERS = "knowledge_bases @> jsonb_build_array($1::text) AND user_id = $2"

LIST_AGENTS = f"""
SELECT id FROM custom_agents WHERE {_USERS} AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4
"""  # noqa: S608 -- a constant


async def list_agents(
    connection: Connection, base_id: str, user_id: str, after: UUID | None, limit: int | None
) -> Sequence[UUID]:
    """Ids of the user's custom agents that use the base: the first ``limit`` after ``after``. Only chat
    writes that table."""
    rows = await connection.fetch(LIST_AGENTS, base_id, user_id, after, limit)
    return [row["id"] for row in rows]


LIST_AGENTS_BACKWARDS = f"""
SELECT id FROM custom_agents WHERE {_USERS} AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4
"""  # noqa: S608 -- a constant


async def list_agents_backwards(
    connection: Connection, base_id: str, user_id: str, before: UUID | None, limit: int | None
) -> Sequence[UUID]:
    """As :func:`list_agents`, by id backwards."""
    rows = await connection.fetch(LIST_AGENTS_BACKWARDS, base_id, user_id, before, limit)
    return [row["id"] for row in rows]


LIST_SCHEDULED = """
SELECT id, name, description, source, version, extensions, include, exclude, chunk_size, chunk_overlap,
       refresh_schedule, origin, owner, public
FROM knowledge_bases WHERE refresh_schedule IS NOT NULL ORDER BY id
"""


async def list_scheduled(connection: Connection) -> Sequence[KnowledgeBase]:
    """The bases that have a schedule."""
    return [_base(row) for row in await connection.fetch(LIST_SCHEDULED)]


LIST_SOURCES = """
SELECT base.id, base.source, found.result -> 'repository' AS repository
FROM knowledge_bases AS base
LEFT JOIN LATERAL (
    SELECT sync.result FROM knowledge_syncs AS sync
    WHERE sync.knowledge_base_id = base.id AND sync.result ? 'repository'
    ORDER BY sync.created_at DESC LIMIT 1
) AS found ON found.result ->> 'source' = base.source
ORDER BY base.id
"""


async def list_sources(connection: Connection) -> Sequence[tuple[str, str, Repository | None]]:
    """Id and source of every base, and the repository that was last found there."""
    rows = await connection.fetch(LIST_SOURCES)
    return [(row["id"], row["source"], _repository(row["repository"])) for row in rows]


GET_REPOSITORY = """
SELECT CASE WHEN result ->> 'source' = $2 THEN result -> 'repository' END AS repository
FROM knowledge_syncs WHERE knowledge_base_id = $1 AND result ? 'repository' ORDER BY created_at DESC LIMIT 1
"""


async def get_repository(connection: Connection, base_id: str, source: str) -> Repository | None:
    """The repository that the base's last sync found at ``source``."""
    return _repository(await connection.fetchval(GET_REPOSITORY, base_id, source))


GET_REGISTRY = "SELECT to_regclass('knowledge_bases')::oid"


async def get_registry(connection: Connection) -> int | None:
    """Which table holds the bases; ``None`` if there is none."""
    found: int | None = await connection.fetchval(GET_REGISTRY)
    return found


LIST_NEVER_SYNCED = """
SELECT base.id FROM knowledge_bases AS base
WHERE NOT EXISTS (SELECT FROM knowledge_sync_state AS state WHERE state.knowledge_base_id = base.id)
  AND NOT EXISTS (SELECT FROM knowledge_syncs AS sync
                  WHERE sync.knowledge_base_id = base.id AND sync.status IN ('requested', 'queued', 'running')
                    AND sync.created_at > now() - interval '10 minutes')
ORDER BY base.id
"""


async def list_never_synced(connection: Connection) -> Sequence[str]:
    """Bases that were never synced and have no sync in flight."""
    return [row["id"] for row in await connection.fetch(LIST_NEVER_SYNCED)]


LOCK_REGISTRY = "SELECT pg_advisory_xact_lock(hashtextextended('knowledge.registry', 0))"


async def lock_registry(connection: Connection) -> None:
    """Serialises processes that start at the same time: they seed the registry one after the other."""
    await connection.execute(LOCK_REGISTRY)


def _repository(value: Any) -> Repository | None:
    return Repository(value["name"], value["id"]) if value else None


def _base(row: asyncpg.Record) -> KnowledgeBase:
    lists = {name: tuple(row[name]) for name in ("extensions", "include", "exclude")}
    # A base of an earlier release may have a larger one.
    overlap = min(row["chunk_overlap"], largest_overlap(row["chunk_size"]))
    return KnowledgeBase(**{**dict(row), **lists, "chunk_overlap": overlap})
