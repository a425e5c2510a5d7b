"""SQL of what a server's connection to Takaro needs. Each function runs its one statement on the caller's
transaction, which has locked the server."""

from collections.abc import Sequence
from datetime import timedelta

from backbone.names import connection_lease
from cockpit.game.records import GameEvent
from cockpit.game.roster import game_server_id
from common.postgres import Connection

WANT_CONNECTION = """
INSERT INTO cockpit_connections (user_id, lease) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET wanted = true
"""


async def want_connection(connection: Connection, user_id: str) -> None:
    """Let some process connect the user's server to Takaro."""
    await connection.execute(WANT_CONNECTION, user_id, connection_lease(game_server_id(user_id)))


FORGET_CONNECTION = """
WITH forgotten AS (UPDATE cockpit_connections SET wanted = false WHERE user_id = $1 RETURNING user_id)
DELETE FROM cockpit_takaro_events e USING forgotten f WHERE e.user_id = f.user_id
"""


async def forget_connection(connection: Connection, user_id: str) -> None:
    """The user's server no longer connects. Events that Takaro doesn't have yet are dropped."""
    await connection.execute(FORGET_CONNECTION, user_id)


INSERT_TAKARO_EVENTS = """
INSERT INTO cockpit_takaro_events (user_id, name, data)
SELECT $1, e.name, e.data FROM unnest($2::text[], $3::jsonb[]) WITH ORDINALITY AS e(name, data, position)
ORDER BY e.position
"""


async def insert_takaro_events(connection: Connection, user_id: str, events: Sequence[GameEvent]) -> None:
    """Store what Takaro is to be told. The ids grow in this order; the server's lock keeps them in order of
    the commits."""
    names, data = [event.name for event in events], [dict(event.data) for event in events]
    await connection.execute(INSERT_TAKARO_EVENTS, user_id, names, data)


LIST_STUCK = """
SELECT g.user_id FROM cockpit_connections c JOIN cockpit_game_servers g USING (user_id)
WHERE c.wanted AND (g.status = 'starting' AND g.status_since < clock_timestamp() - $1::interval
    OR g.status = 'stopping' AND g.status_since < clock_timestamp() - $2::interval)
ORDER BY g.user_id LIMIT $3
"""


async def list_stuck(connection: Connection, start: timedelta, stop: timedelta, limit: int) -> Sequence[str]:
    """Users whose server has been ``starting`` or ``stopping`` for longer than these."""
    return [row["user_id"] for row in await connection.fetch(LIST_STUCK, start, stop, limit)]


DELETE_EXCESS = """
DELETE FROM cockpit_takaro_events e
USING cockpit_connections c, LATERAL (
    SELECT id FROM cockpit_takaro_events o WHERE o.user_id = c.user_id ORDER BY id DESC OFFSET $1 LIMIT 1
) AS last
WHERE c.wanted AND e.user_id = c.user_id AND e.id <= last.id
"""


async def delete_excess(connection: Connection, kept: int) -> int:
    """Keep only so many of the newest events of each server. Returns how many were dropped."""
    status = await connection.execute(DELETE_EXCESS, kept)
    return int(status.rsplit(" ", 1)[-1])
