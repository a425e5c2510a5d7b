"""SQL of custom agents. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from chat.custom_agents.records import AgentValues, CustomAgent, Position
from common.postgres import Connection

_COLUMNS = """id, user_id, name, description, system_prompt, tools, knowledge_bases, model,
       temperature::float8 AS temperature, max_tokens, created_at, updated_at, event_sequence, version"""

# A row without a time is newer than all others.
_CREATED = "coalesce(created_at, 'infinity')"

LIST_NEWEST = f"""
SELECT {_COLUMNS}
FROM custom_agents
WHERE user_id = $1 AND ({_CREATED}, id) < (coalesce($2::timestamptz, 'infinity'),
                                           coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY {_CREATED} DESC, id DESC
LIMIT $4
"""  # noqa: S608 -- a constant


async def list_newest(
    connection: Connection, user_id: str, after: Position | None, limit: int
) -> list[CustomAgent]:
    """A user's custom agents, newest first: the first ``limit`` after a position."""
    rows = await connection.fetch(LIST_NEWEST, user_id, *(after or (None, None)), limit)
    return [_agent(row) for row in rows]


LIST_OLDEST = f"""
SELECT {_COLUMNS}
FROM custom_agents
WHERE user_id = $1
  AND ({_CREATED}, id) > (CASE WHEN $3::uuid IS NULL THEN '-infinity'::timestamptz
                               ELSE coalesce($2::timestamptz, 'infinity') END,
                          coalesce($3, '00000000-0000-0000-0000-000000000000'))
ORDER BY {_CREATED}, id
LIMIT $4
"""  # noqa: S608 -- a constant


async def list_oldest(
    connection: Connection, user_id: str, after: Position | None, limit: int
) -> list[CustomAgent]:
    """A user's custom agents, oldest first: the first ``limit`` after a position."""
    rows = await connection.fetch(LIST_OLDEST, user_id, *(after or (None, None)), limit)
    return [_agent(row) for row in rows]


GET_AGENT = f"SELECT {_COLUMNS} FROM custom_agents WHERE id = $1"  # noqa: S608 -- a constant


async def get_agent(connection: Connection, agent_id: UUID) -> CustomAgent | None:
    """A custom agent of any owner."""
    row = await connection.fetchrow(GET_AGENT, agent_id)
    return _agent(row) if row else None


LOCK_AGENT = f"SELECT {_COLUMNS} FROM custom_agents WHERE id = $1 FOR UPDATE"  # noqa: S608 -- a constant


async def lock_agent(connection: Connection, agent_id: UUID) -> CustomAgent | None:
    """Like :func:`get_agent`, and lock its row until the end of the transaction."""
    row = await connection.fetchrow(LOCK_AGENT, agent_id)
    return _agent(row) if row else None


LIST_OWNED = """
SELECT id, user_id, version
FROM custom_agents
WHERE (id, user_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
"""


async def list_owned(
    connection: Connection, wanted: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], int]:
    """Which of the (agent, user) pairs exist, with each agent's newest version."""
    ids, users = zip(*wanted, strict=True)
    rows = await connection.fetch(LIST_OWNED, ids, users)
    return {(row["id"], row["user_id"]): row["version"] for row in rows}


COUNT_AGENTS = "SELECT count(*) FROM custom_agents WHERE user_id = $1"


async def count_agents(connection: Connection, user_id: str) -> int:
    """The number of a user's custom agents."""
    count: int = await connection.fetchval(COUNT_AGENTS, user_id)
    return count


INSERT_AGENT = f"""
INSERT INTO custom_agents (user_id, name, description, system_prompt, tools, knowledge_bases, model,
                           temperature, max_tokens, event_sequence)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::float8, $9, 1)
ON CONFLICT (user_id, name) DO NOTHING
RETURNING {_COLUMNS}
"""  # noqa: S608 -- a constant


async def insert_agent(connection: Connection, user_id: str, values: AgentValues) -> CustomAgent | None:
    """Insert an agent, with its first event counted; None if the user has one of that name."""
    row = await connection.fetchrow(INSERT_AGENT, user_id, *_parameters(values))
    return _agent(row) if row else None


UPDATE_AGENT = f"""
UPDATE custom_agents
SET name = $2, description = $3, system_prompt = $4, tools = $5, knowledge_bases = $6, model = $7,
    temperature = $8::float8, max_tokens = $9, updated_at = clock_timestamp(),
    event_sequence = event_sequence + 1
WHERE id = $1
RETURNING {_COLUMNS}
"""  # noqa: S608 -- a constant


async def update_agent(connection: Connection, agent_id: UUID, values: AgentValues) -> CustomAgent | None:
    """Write all values and count an event; None if there is no agent.

    Raises ``asyncpg.UniqueViolationError`` if the user has another agent of that name.
    """
    row = await connection.fetchrow(UPDATE_AGENT, agent_id, *_parameters(values))
    return _agent(row) if row else None


DELETE_AGENT = """
DELETE FROM custom_agents WHERE id = $1 RETURNING event_sequence + 1 AS sequence, version
"""


async def delete_agent(connection: Connection, agent_id: UUID) -> tuple[int, int] | None:
    """Delete an agent. Returns the sequence of the last fact about it, and its last version, which is kept;
    None if there is no agent."""
    row = await connection.fetchrow(DELETE_AGENT, agent_id)
    return (row["sequence"], row["version"]) if row else None


def _parameters(values: AgentValues) -> tuple[Any, ...]:
    return (
        values.name,
        values.description,
        values.system_prompt,
        values.tools,
        values.knowledge_bases,
        values.model,
        values.temperature,
        values.max_tokens,
    )


def _agent(row: asyncpg.Record) -> CustomAgent:
    agent_id, user_id, *values, created_at, updated_at, sequence, version = row
    return CustomAgent(agent_id, user_id, AgentValues(*values), created_at, updated_at, sequence, version)
