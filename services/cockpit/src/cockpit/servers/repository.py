"""SQL of mock game servers. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cockpit.game import roster, snapshot
from cockpit.servers.records import GameServer, StoredGame
from common.postgres import Connection

LOCK_SERVER = """
SELECT user_id, session_id, conversation_id, game_server_id, state, event_sequence, next_tick_at,
       clock_timestamp() AS now, status, connects
FROM cockpit_game_servers WHERE user_id = $1 FOR NO KEY UPDATE
"""


async def lock_server(connection: Connection, user_id: str) -> GameServer | None:
    """The user's game server, locked until the commit; None if there is none yet."""
    row = await connection.fetchrow(LOCK_SERVER, user_id)
    return GameServer(**{**row, "state": snapshot.load(row["state"])}) if row else None


GET_GAME = "SELECT state, clock_timestamp() AS now FROM cockpit_game_servers WHERE user_id = $1"


async def get_game(connection: Connection, user_id: str) -> StoredGame | None:
    """The user's game as it is stored, not locked; None if there is none."""
    row = await connection.fetchrow(GET_GAME, user_id)
    return StoredGame(snapshot.load(row["state"]), row["now"]) if row else None


GET_STATUS_AGE = "SELECT clock_timestamp() - status_since FROM cockpit_game_servers WHERE user_id = $1"


async def get_status_age(connection: Connection, user_id: str) -> timedelta:
    """For how long the user's server has had its status."""
    age: timedelta | None = await connection.fetchval(GET_STATUS_AGE, user_id)
    assert age is not None
    return age


LOCK_SERVERS = """
SELECT session_id, conversation_id FROM cockpit_game_servers
WHERE user_id = ANY($1::text[]) ORDER BY user_id FOR NO KEY UPDATE
"""


async def lock_servers(
    connection: Connection, user_ids: Sequence[str]
) -> list[tuple[UUID | None, UUID | None]]:
    """Lock these users' game servers in the order of the users' ids. Returns the session and the conversation
    that each runs in."""
    return [(row[0], row[1]) for row in await connection.fetch(LOCK_SERVERS, user_ids)]


LOCK_SERVERS_OF = """
SELECT user_id FROM cockpit_game_servers WHERE conversation_id = ANY($1::uuid[]) ORDER BY user_id
FOR NO KEY UPDATE
"""


async def lock_servers_of(connection: Connection, conversation_ids: Sequence[UUID]) -> None:
    """Lock the game servers that run in these conversations, in the order of the users' ids."""
    await connection.execute(LOCK_SERVERS_OF, conversation_ids)


INSERT_SERVER = """
INSERT INTO cockpit_game_servers (user_id, game_server_id, state) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO NOTHING
"""


async def insert_server(connection: Connection, user_id: str) -> None:
    """Insert the user's game server, stopped, unless there is one."""
    await connection.execute(
        INSERT_SERVER, user_id, roster.game_server_id(user_id), snapshot.dump(roster.new_game(user_id))
    )


UPDATE_SERVER = """
UPDATE cockpit_game_servers
SET session_id = $2, conversation_id = $3, status = $4, state = $5, event_sequence = $6, next_tick_at = $7,
    game_server_id = $8, connects = $9, updated_at = clock_timestamp(),
    status_since = CASE WHEN status = $4::varchar THEN status_since ELSE clock_timestamp() END
WHERE user_id = $1
"""


async def update_server(connection: Connection, server: GameServer) -> None:
    """Write back the changes of a locked server."""
    await connection.execute(
        UPDATE_SERVER,
        server.user_id,
        server.session_id,
        server.conversation_id,
        server.status,
        snapshot.dump(server.state),
        server.event_sequence,
        server.next_tick_at,
        server.game_server_id,
        server.connects,
    )


LIST_DUE = """
SELECT user_id FROM cockpit_game_servers
WHERE next_tick_at <= clock_timestamp() ORDER BY next_tick_at LIMIT $1
"""


async def list_due(connection: Connection, limit: int) -> Sequence[str]:
    """Users whose server has a step of its simulation due, longest overdue first."""
    return [row["user_id"] for row in await connection.fetch(LIST_DUE, limit)]


GET_NEXT_TICK = """
SELECT extract(epoch FROM min(next_tick_at) - clock_timestamp())::float8 FROM cockpit_game_servers
WHERE next_tick_at IS NOT NULL
"""


async def get_next_tick(connection: Connection) -> float | None:
    """Seconds until the next step of any simulation (negative: overdue); ``None`` if no simulation runs."""
    seconds: float | None = await connection.fetchval(GET_NEXT_TICK)
    return seconds


LIST_ORPHANS = """
SELECT user_id FROM cockpit_game_servers g
WHERE session_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM cockpit_sessions s WHERE s.id = g.session_id)
ORDER BY user_id LIMIT $1
"""


async def list_orphans(connection: Connection, limit: int) -> Sequence[str]:
    """Users whose server runs in a session that no longer exists."""
    return [row["user_id"] for row in await connection.fetch(LIST_ORPHANS, limit)]


LIST_ORPHANS_OF = """
SELECT user_id, conversation_id FROM cockpit_game_servers g
WHERE conversation_id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT 1 FROM cockpit_sessions s WHERE s.id = g.session_id)
ORDER BY user_id
"""


async def list_orphans_of(
    connection: Connection, conversation_ids: Sequence[UUID]
) -> Sequence[tuple[str, UUID]]:
    """Users whose server ran in one of these conversations, in a deleted session, and which conversation."""
    rows = await connection.fetch(LIST_ORPHANS_OF, list(conversation_ids))
    return [(row["user_id"], row["conversation_id"]) for row in rows]
