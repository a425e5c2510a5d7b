"""SQL that finds what is to be erased. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence

from common.postgres import Connection

GET_OWNED_ID = "SELECT id FROM knowledge_bases WHERE owner = $1 ORDER BY id LIMIT 1"


async def get_owned_id(connection: Connection, user_id: str) -> str | None:
    """One of a user's bases; None if there are none."""
    found: str | None = await connection.fetchval(GET_OWNED_ID, user_id)
    return found


UPDATE_REQUESTERS = """
UPDATE knowledge_syncs SET requested_by = NULL WHERE id = ANY (ARRAY(
    SELECT id FROM knowledge_syncs WHERE requested_by = $1 ORDER BY id LIMIT $2 FOR UPDATE))
"""


async def update_requesters(connection: Connection, user_id: str, limit: int) -> int:
    """Forget who requested up to ``limit`` syncs. Returns their number."""
    status: str = await connection.execute(UPDATE_REQUESTERS, user_id, limit)
    return int(status.rpartition(" ")[2])


LIST_EXISTING = "SELECT id FROM knowledge_bases WHERE id = ANY($1::text[])"


async def list_existing(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Which of these are bases, whoever owns them."""
    return {row["id"] for row in await connection.fetch(LIST_EXISTING, ids)}
