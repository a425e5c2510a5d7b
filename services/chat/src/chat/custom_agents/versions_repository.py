"""SQL of the versions of custom agents. Each function runs its one statement on the caller's transaction.

An agent's newest version is its row in ``custom_agents``. A trigger copies the row to ``chat_agent_versions``
when it is changed or deleted.
"""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from chat.custom_agents.records import AgentValues, AgentVersion, VersionKey, VersionStep
from common.postgres import Connection

_VALUES = """name, description, system_prompt, tools, knowledge_bases, model,
       temperature::float8 AS temperature, max_tokens"""
# After migration 038 the time of an agent's version is known once it is changed.
_VERSIONS = f"""(
    SELECT id AS agent_id, version, user_id, {_VALUES},
           coalesce(version_created_at, updated_at, created_at) AS created_at,
           NULL::timestamptz AS replaced_at
    FROM custom_agents WHERE id = $1
    UNION ALL
    SELECT agent_id, version, user_id, {_VALUES}, created_at, replaced_at
    FROM chat_agent_versions WHERE agent_id = $1
) AS v"""  # noqa: S608 -- a constant

GET_OWNERS = """
SELECT user_id FROM custom_agents WHERE id = $1
UNION
SELECT user_id FROM chat_agent_versions WHERE agent_id = $1
"""


async def get_owners(connection: Connection, agent_id: UUID) -> set[str]:
    """Whose this agent is or was, if anything of it is kept."""
    return {row["user_id"] for row in await connection.fetch(GET_OWNERS, agent_id)}


LIST_VERSIONS = f"""
SELECT * FROM {_VERSIONS}
WHERE user_id = $2 AND CASE WHEN $4 THEN version < $3 ELSE version > $3 END
ORDER BY CASE WHEN $4 THEN -version ELSE version END
LIMIT $5
"""  # noqa: S608 -- a constant


async def list_versions(
    connection: Connection, agent_id: UUID, user_id: str, after: int, limit: int, *, descending: bool
) -> list[AgentVersion]:
    """The first ``limit`` versions of a user's agent after the version ``after``."""
    rows = await connection.fetch(LIST_VERSIONS, agent_id, user_id, after, descending, limit)
    return [_version(row) for row in rows]


GET_VERSION = f"SELECT * FROM {_VERSIONS} WHERE user_id = $2 AND version = $3"  # noqa: S608 -- a constant


async def get_version(
    connection: Connection, agent_id: UUID, user_id: str, version: int
) -> AgentVersion | None:
    """A version of a user's agent, which may be deleted."""
    row = await connection.fetchrow(GET_VERSION, agent_id, user_id, version)
    return _version(row) if row else None


HOLD_VERSIONS = """
SELECT agent_id, version FROM chat_agent_versions
WHERE (agent_id, version, user_id) IN (SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[]))
ORDER BY agent_id, version
FOR KEY SHARE
"""


async def hold_versions(connection: Connection, wanted: Sequence[tuple[UUID, int, str]]) -> set[VersionKey]:
    """Which of these replaced versions (agent, version, user) are kept. They are, until the transaction
    ends."""
    rows = await connection.fetch(HOLD_VERSIONS, *zip(*wanted, strict=True))
    return {(row["agent_id"], row["version"]) for row in rows}


# A subquery for each row, with LIMIT: the planner would rather read all conversations at once. Other programs
# may have written an id in capitals.
_USED = """coalesce((
        SELECT true FROM conversations AS c
        WHERE c.agent_id IN ('custom:' || v.agent_id::text, 'custom:' || upper(v.agent_id::text))
          AND c.agent_version = v.version::text
        LIMIT 1
    ), false)"""
# What was replaced a moment ago may be named by a transaction that hasn't ended.
_SPARE = """v.replaced_at < clock_timestamp() - interval '10 minutes' AND coalesce(
        (SELECT v.version <= a.version - $1::int FROM custom_agents AS a WHERE a.id = v.agent_id),
        v.replaced_at < clock_timestamp() - interval '1 day'
    )"""

LIST_STEP = f"""
SELECT v.agent_id, v.version, CASE WHEN {_SPARE} THEN NOT {_USED} ELSE false END AS unused
FROM chat_agent_versions AS v
WHERE (v.agent_id, v.version) > ($2::uuid, $3::int)
ORDER BY v.agent_id, v.version
LIMIT $4
"""  # noqa: S608 -- a constant


async def list_step(connection: Connection, kept: int, after: VersionKey, limit: int) -> VersionStep:
    """Look at the first ``limit`` replaced versions after this one. The newest ``kept`` versions of an agent
    that wasn't deleted are needed."""
    rows = await connection.fetch(LIST_STEP, kept, *after, limit)
    unused = [(row["agent_id"], row["version"]) for row in rows if row["unused"]]
    last = (rows[-1]["agent_id"], rows[-1]["version"]) if len(rows) == limit else None
    return VersionStep(unused, last)


LOCK_VERSIONS = """
SELECT agent_id, version FROM chat_agent_versions
WHERE (agent_id, version) IN (SELECT * FROM unnest($1::uuid[], $2::int[]))
ORDER BY agent_id, version
FOR UPDATE SKIP LOCKED
"""


async def lock_versions(connection: Connection, keys: Sequence[VersionKey]) -> list[VersionKey]:
    """Lock those of these replaced versions that nobody holds."""
    rows = await connection.fetch(LOCK_VERSIONS, *zip(*keys, strict=True))
    return [(row["agent_id"], row["version"]) for row in rows]


DELETE_UNUSED = f"""
DELETE FROM chat_agent_versions AS v
WHERE (v.agent_id, v.version) IN (SELECT * FROM unnest($1::uuid[], $2::int[])) AND NOT {_USED}
"""  # noqa: S608 -- a constant


async def delete_unused(connection: Connection, keys: Sequence[VersionKey]) -> int:
    """Delete those of these locked versions that no conversation goes on with. Returns their number."""
    status: str = await connection.execute(DELETE_UNUSED, *zip(*keys, strict=True))
    return int(status.rpartition(" ")[2])


def _version(row: asyncpg.Record) -> AgentVersion:
    agent_id, version, user_id, *values, created_at, replaced_at = row
    return AgentVersion(agent_id, version, user_id, AgentValues(*values), created_at, replaced_at)
