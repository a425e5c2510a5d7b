"""SQL of schedules. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence
from datetime import datetime

from common.postgres import Connection

INSERT_RETIRED_SCHEDULE = """
INSERT INTO knowledge_retired_schedules (knowledge_base_id)
SELECT id FROM knowledge_bases WHERE id = $1 AND refresh_schedule IS NOT NULL
ON CONFLICT (knowledge_base_id) DO UPDATE SET retired_at = excluded.retired_at
"""


async def insert_retired_schedule(connection: Connection, base_id: str) -> None:
    """Request that the base's scheduler be removed from Redis, if the registry ever put one there."""
    await connection.execute(INSERT_RETIRED_SCHEDULE, base_id)


LIST_RETIRED_SCHEDULES = "SELECT knowledge_base_id, retired_at FROM knowledge_retired_schedules"


async def list_retired_schedules(connection: Connection) -> Sequence[tuple[str, datetime]]:
    """Ids of bases whose scheduler must be removed, and since when."""
    rows = await connection.fetch(LIST_RETIRED_SCHEDULES)
    return [(row["knowledge_base_id"], row["retired_at"]) for row in rows]


DELETE_RETIRED_SCHEDULE = """
DELETE FROM knowledge_retired_schedules WHERE knowledge_base_id = $1 AND retired_at = $2
"""


async def delete_retired_schedule(connection: Connection, base_id: str, retired_at: datetime) -> None:
    """Delete the requests that were carried out, except those that were made again meanwhile."""
    await connection.execute(DELETE_RETIRED_SCHEDULE, base_id, retired_at)
