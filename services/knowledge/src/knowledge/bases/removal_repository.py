"""SQL that takes a base away. Functions take a connection, run one statement and never commit."""

from datetime import datetime

from common.postgres import Connection

REVOKE_LEASE = """
UPDATE leases SET epoch = epoch + 1, expires_at = '-infinity' WHERE name = 'knowledge.sync:' || $1::text
"""


async def revoke_lease(connection: Connection, base_id: str) -> None:
    """Fence off a sync that is running: nothing that it does commits any more."""
    await connection.execute(REVOKE_LEASE, base_id)


DELETE_CHUNKS_OF_BASE = "DELETE FROM knowledge_embeddings WHERE knowledge_base_id = $1"


async def delete_chunks_of_base(connection: Connection, base_id: str, seconds: float) -> None:
    """Delete the rows of every version, whoever wrote them."""
    await connection.execute(DELETE_CHUNKS_OF_BASE, base_id, timeout=seconds)


DELETE_SYNC_STATE = "DELETE FROM knowledge_sync_state WHERE knowledge_base_id = $1"


async def delete_sync_state(connection: Connection, base_id: str) -> None:
    await connection.execute(DELETE_SYNC_STATE, base_id)


DELETE_BASE = """
WITH deleted AS (
    DELETE FROM knowledge_bases WHERE id = $1 RETURNING id, event_sequence
)
INSERT INTO retired_subjects (subject, sequence, retired_at)
SELECT 'knowledge:' || id, event_sequence, clock_timestamp() FROM deleted
ON CONFLICT (subject) DO UPDATE SET sequence = excluded.sequence, retired_at = excluded.retired_at
"""


async def delete_base(connection: Connection, base_id: str) -> None:
    """Delete the base with its indexes, files and syncs; remember its facts' sequence, and when."""
    await connection.execute(DELETE_BASE, base_id)


GET_RETIRED_AT = "SELECT retired_at FROM retired_subjects WHERE subject = 'knowledge:' || $1::text"


async def get_retired_at(connection: Connection, base_id: str) -> datetime | None:
    """When a base of this id was last deleted."""
    moment: datetime | None = await connection.fetchval(GET_RETIRED_AT, base_id)
    return moment
