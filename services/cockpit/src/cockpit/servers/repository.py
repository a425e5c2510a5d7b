"""SQL of the game servers. Functions run one statement on the caller's connection and never commit."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from cockpit.game import roster, snapshot
from cockpit.servers.models import GameServer
from common.postgres import Connection

INSERT_SERVER = """
INSERT INTO cockpit_game_servers (user_id, game_server_id, state) VALUES ($1, $2, $3)
ON CONFLICT (user_id) DO NOTHING
"""

LOCK_SERVER = """
SELECT user_id, session_id, conversation_id, game_server_id, state, event_sequence, next_tick_at,
       clock_timestamp() AS now
FROM cockpit_game_servers WHERE user_id = $1 FOR NO KEY UPDATE
"""

GET_SERVER_STATE = "SELECT state FROM cockpit_game_servers WHERE session_id = $1 AND status = 'running'"

UPDATE_SERVER = """
UPDATE cockpit_game_servers
SET session_id = $2, conversation_id = $3, status = $4, state = $5, event_sequence = $6, next_tick_at = $7,
    updated_at = clock_timestamp()
WHERE user_id = $1
"""

LIST_DUE = """
SELECT user_id FROM cockpit_game_servers
WHERE next_tick_at <= clock_timestamp() ORDER BY next_tick_at LIMIT $1
"""

GET_NEXT_TICK = """
SELECT extract(epoch FROM min(next_tick_at) - clock_timestamp())::float8 FROM cockpit_game_servers
WHERE next_tick_at IS NOT NULL
"""

LIST_ORPHANS = """
SELECT user_id FROM cockpit_game_servers g
WHERE session_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM cockpit_sessions s WHERE s.id = g.session_id)
ORDER BY user_id LIMIT $1
"""

LIST_ORPHANS_OF = """
SELECT user_id, conversation_id FROM cockpit_game_servers g
WHERE conversation_id = ANY($1::uuid[])
  AND NOT EXISTS (SELECT 1 FROM cockpit_sessions s WHERE s.id = g.session_id)
ORDER BY user_id
"""


async def lock_server(connection: Connection, user_id: str) -> GameServer:
    """The user's game server, locked to the commit; a new one with five players when there was none.

    This lock comes first in every change: it puts all changes of a user's sessions in one order.
    """
    row = await connection.fetchrow(LOCK_SERVER, user_id)
    if row is None:
        await connection.execute(
            INSERT_SERVER, user_id, roster.game_server_id(user_id), snapshot.dump(roster.new_game(user_id))
        )
        row = await connection.fetchrow(LOCK_SERVER, user_id)
        assert row is not None
    return GameServer(**{**row, "state": snapshot.load(row["state"])})


async def get_server_state(connection: Connection, session_id: UUID) -> dict[str, object] | None:
    """The state of the server that runs in the session, or ``None``."""
    state: dict[str, object] | None = await connection.fetchval(GET_SERVER_STATE, session_id)
    return state


async def update_server(connection: Connection, server: GameServer) -> None:
    await connection.execute(
        UPDATE_SERVER,
        server.user_id,
        server.session_id,
        server.conversation_id,
        "running" if server.state.running else "stopped",
        snapshot.dump(server.state),
        server.event_sequence,
        server.next_tick_at,
    )


async def list_due(connection: Connection, limit: int) -> Sequence[str]:
    """Users whose server has a step of its simulation to take, longest overdue first."""
    return [row["user_id"] for row in await connection.fetch(LIST_DUE, limit)]


async def get_next_tick(connection: Connection) -> float | None:
    """Seconds until the next step of any simulation (negative: overdue); ``None`` when there is none."""
    seconds: float | None = await connection.fetchval(GET_NEXT_TICK)
    return seconds


async def list_orphans(connection: Connection, limit: int) -> Sequence[str]:
    """Users whose server runs in a session that is gone."""
    return [row["user_id"] for row in await connection.fetch(LIST_ORPHANS, limit)]


async def list_orphans_of(
    connection: Connection, conversation_ids: Sequence[UUID]
) -> Sequence[tuple[str, UUID]]:
    """Users whose server ran in one of these conversations, in a session that is gone, and which it was."""
    rows = await connection.fetch(LIST_ORPHANS_OF, list(conversation_ids))
    return [(row["user_id"], row["conversation_id"]) for row in rows]


def next_tick(server: GameServer, due: datetime) -> datetime | None:
    """When the server's simulation moves next: as planned, else ``due``; never while it is off."""
    return (server.next_tick_at or due) if server.state.simulating else None
