"""SQL that finds turns whose time is over. Each function runs its one statement on the caller's
transaction."""

from uuid import UUID

from common.postgres import Connection

LIST_EXPIRED = """
SELECT conversation_id FROM chat_turns
WHERE state IN ('running', 'awaiting') AND expires_at <= clock_timestamp()
ORDER BY expires_at LIMIT $1
"""


async def list_expired(connection: Connection, limit: int) -> list[UUID]:
    """The conversations of up to ``limit`` turns that weren't renewed in time."""
    return [row["conversation_id"] for row in await connection.fetch(LIST_EXPIRED, limit)]


# The newest one stays, so that the numbers go on.
DELETE_OLD = """
DELETE FROM chat_turns WHERE id = ANY (ARRAY(
    SELECT t.id FROM chat_turns AS t
    WHERE t.ended_at < clock_timestamp() - make_interval(days => $1)
      AND EXISTS (SELECT FROM chat_turns AS n WHERE n.conversation_id = t.conversation_id
                    AND n.number > t.number)
    ORDER BY t.ended_at LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""


async def delete_old(connection: Connection, days: int, limit: int) -> int:
    """Delete up to ``limit`` turns that ended so long ago, but for the newest of each conversation."""
    status: str = await connection.execute(DELETE_OLD, days, limit)
    return int(status.rpartition(" ")[2])
