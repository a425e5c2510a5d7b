"""SQL of announcements. Each function runs its one statement on the caller's transaction.

A row that has expired counts for nothing, whether or not it is deleted yet.
"""

from collections.abc import Sequence

from chat.announcements.records import AnnouncedAgent, AnnouncedTool, Serving
from common.postgres import Connection

# Views of them are at most two seconds old: who is announced again later than that before the end is told of.
_TOLD = "before.expires_at IS NULL OR before.expires_at < clock_timestamp() + interval '5 seconds'"

UPSERT_AGENTS = f"""
WITH stored AS (
    INSERT INTO chat_announced_agents AS known
        (agent_id, experiment, position, model, description, expires_at)
    SELECT agent_id, experiment, position, model, description,
           clock_timestamp() + seconds * interval '1 second'
    FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::int[])
        AS wanted (agent_id, experiment, position, model, description, seconds)
    ORDER BY agent_id, experiment
    ON CONFLICT (agent_id, experiment) DO UPDATE SET position = excluded.position, model = excluded.model,
        description = excluded.description, expires_at = excluded.expires_at
    RETURNING agent_id, experiment, expires_at
)
SELECT bool_or({_TOLD} OR stored.expires_at < before.expires_at)
FROM stored LEFT JOIN chat_announced_agents AS before USING (agent_id, experiment)
"""  # noqa: S608 -- a constant


async def upsert_agents(connection: Connection, agents: Sequence[tuple[AnnouncedAgent, int]]) -> bool:
    """Store agents, each for its seconds from now. Returns whether processes must be told: one is new, was
    about to expire, or expires earlier."""
    rows = [(a.agent_id, a.experiment, a.position, a.model, a.description, ttl) for a, ttl in agents]
    return bool(await connection.fetchval(UPSERT_AGENTS, *zip(*rows, strict=True)))


UPSERT_TOOLS = """
INSERT INTO chat_announced_tools (name, description, parameters, expires_at)
SELECT name, description, parameters, clock_timestamp() + seconds * interval '1 second'
FROM unnest($1::text[], $2::text[], $3::jsonb[], $4::int[]) AS wanted (name, description, parameters, seconds)
ORDER BY name
ON CONFLICT (name) DO UPDATE SET description = excluded.description, parameters = excluded.parameters,
    expires_at = excluded.expires_at
"""


async def upsert_tools(connection: Connection, tools: Sequence[tuple[AnnouncedTool, int]]) -> None:
    """Store tools, each for its seconds from now."""
    rows = [(tool.name, tool.description, tool.parameters, ttl) for tool, ttl in tools]
    await connection.execute(UPSERT_TOOLS, *zip(*rows, strict=True))


LIST_SERVING = """
SELECT agent_id, experiment, extract(epoch FROM expires_at - clock_timestamp())::float8 AS seconds
FROM chat_announced_agents WHERE expires_at > clock_timestamp()
ORDER BY agent_id, position, experiment
"""


async def list_serving(connection: Connection) -> list[Serving]:
    """What is served now, and for how long, in the order of the announcements."""
    return [Serving(**dict(row)) for row in await connection.fetch(LIST_SERVING)]


LIST_AGENTS = """
SELECT agent_id, experiment, position, model, description
FROM chat_announced_agents WHERE expires_at > clock_timestamp()
ORDER BY agent_id, position, experiment
"""


async def list_agents(connection: Connection) -> list[AnnouncedAgent]:
    """The agents that are announced now."""
    return [AnnouncedAgent(**dict(row)) for row in await connection.fetch(LIST_AGENTS)]


LIST_TOOLS = """
SELECT name, description, parameters
FROM chat_announced_tools WHERE expires_at > clock_timestamp()
ORDER BY name
"""


async def list_tools(connection: Connection) -> list[AnnouncedTool]:
    """The tools that are announced now."""
    return [AnnouncedTool(**dict(row)) for row in await connection.fetch(LIST_TOOLS)]


LIST_TOOL_NAMES = "SELECT name FROM chat_announced_tools WHERE expires_at > clock_timestamp()"


async def list_tool_names(connection: Connection) -> set[str]:
    """The names of the tools that are announced now."""
    return {row["name"] for row in await connection.fetch(LIST_TOOL_NAMES)}


LIST_MODELS = """
SELECT DISTINCT model FROM chat_announced_agents WHERE expires_at > clock_timestamp() ORDER BY model
"""


async def list_models(connection: Connection) -> list[str]:
    """The models of the agents that are announced now."""
    return [row["model"] for row in await connection.fetch(LIST_MODELS)]


DELETE_EXPIRED_AGENTS = """
DELETE FROM chat_announced_agents
WHERE (agent_id, experiment) IN (
    SELECT agent_id, experiment FROM chat_announced_agents
    WHERE expires_at <= clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""


async def delete_expired_agents(connection: Connection, limit: int) -> int:
    """Delete up to ``limit`` agents that have expired. Returns their number."""
    status: str = await connection.execute(DELETE_EXPIRED_AGENTS, limit)
    return int(status.rpartition(" ")[2])


DELETE_EXPIRED_TOOLS = """
DELETE FROM chat_announced_tools
WHERE name IN (
    SELECT name FROM chat_announced_tools
    WHERE expires_at <= clock_timestamp() LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""


async def delete_expired_tools(connection: Connection, limit: int) -> int:
    """Delete up to ``limit`` tools that have expired. Returns their number."""
    status: str = await connection.execute(DELETE_EXPIRED_TOOLS, limit)
    return int(status.rpartition(" ")[2])
