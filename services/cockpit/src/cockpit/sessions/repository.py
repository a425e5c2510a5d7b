"""SQL of sessions. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from cockpit.sessions.records import Found, Session
from common.postgres import Connection

# A session may say that it runs although no server of ours does: a process that kept its servers in memory
# has died. It reads as stopped.
_COLUMNS = """
    s.id, s.conversation_id, s.user_id, s.selected_player_id, s.created_at, s.updated_at,
    CASE WHEN g.user_id IS NOT NULL THEN s.mock_server_game_server_id END AS mock_server_game_server_id,
    CASE WHEN g.user_id IS NOT NULL OR s.mock_server_status = 'error' THEN s.mock_server_status
         ELSE 'stopped' END AS mock_server_status,
    CASE WHEN g.user_id IS NULL AND s.mock_server_status = 'error' THEN s.mock_server_error END
        AS mock_server_error
"""

_SERVER = "LEFT JOIN cockpit_game_servers g ON g.session_id = s.id AND g.status <> 'stopped'"


GET_SESSION = f"SELECT {_COLUMNS} FROM cockpit_sessions s {_SERVER} WHERE s.id = $1"  # noqa: S608


async def get_session(connection: Connection, session_id: UUID) -> Session | None:
    """A session with the actual status of its server."""
    row = await connection.fetchrow(GET_SESSION, session_id)
    return _session(row) if row else None


GET_SESSION_OF = f"""
SELECT c.user_id AS owner, {_COLUMNS}
FROM conversations c LEFT JOIN cockpit_sessions s ON s.conversation_id = c.id {_SERVER}
WHERE c.id = $1
"""  # noqa: S608


async def get_session_of(connection: Connection, conversation_id: UUID) -> Found | None:
    """The conversation's owner and session; ``None`` if there is no such conversation."""
    row = await connection.fetchrow(GET_SESSION_OF, conversation_id)
    if row is None:
        return None
    return Found(row["owner"], _session(row) if row["id"] else None)


LOCK_CONVERSATIONS = """
SELECT id FROM conversations
WHERE id = ANY($1::uuid[] || ARRAY(
    SELECT conversation_id FROM cockpit_game_servers
    WHERE user_id = ANY($2::text[]) AND conversation_id IS NOT NULL
))
ORDER BY id
FOR KEY SHARE
"""


async def lock_conversations(
    connection: Connection, conversation_ids: Sequence[UUID], user_ids: Sequence[str] = ()
) -> set[UUID]:
    """Keep these conversations, and those that these users' servers run in, from being deleted until the
    commit. Returns those that exist."""
    rows = await connection.fetch(LOCK_CONVERSATIONS, conversation_ids, user_ids)
    return {row["id"] for row in rows}


INSERT_SESSION = """
INSERT INTO cockpit_sessions (conversation_id, user_id) VALUES ($1, $2)
ON CONFLICT (conversation_id) DO NOTHING
"""


async def insert_session(connection: Connection, conversation_id: UUID, user_id: str) -> None:
    """Insert the conversation's session unless it has one. Waits for a concurrent insert of the same."""
    await connection.execute(INSERT_SESSION, conversation_id, user_id)


LOCK_SESSION = "SELECT 1 FROM cockpit_sessions WHERE id = $1 FOR NO KEY UPDATE"


async def lock_session(connection: Connection, session_id: UUID) -> bool:
    """Lock the session's row. False if it no longer exists."""
    return await connection.fetchval(LOCK_SESSION, session_id) is not None


GET_GAME_STATE = """
SELECT state FROM cockpit_game_servers WHERE session_id = $1 AND status IN ('starting', 'running')
"""


async def get_game_state(connection: Connection, session_id: UUID) -> dict[str, object] | None:
    """The snapshot of the game that runs in the session, or ``None``."""
    state: dict[str, object] | None = await connection.fetchval(GET_GAME_STATE, session_id)
    return state


UPDATE_SERVER_STATUS = """
UPDATE cockpit_sessions
SET mock_server_game_server_id = $2, mock_server_status = $3, mock_server_error = $4,
    updated_at = clock_timestamp()
WHERE id = $1 AND (mock_server_game_server_id, mock_server_status, mock_server_error)
    IS DISTINCT FROM ($2::varchar, $3::varchar, $4::text)
RETURNING id
"""


async def update_server_status(
    connection: Connection,
    session_id: UUID,
    game_server_id: str | None,
    status: str,
    error: str | None = None,
) -> bool:
    """Write the columns that other programs read, and why it is an ``error``. Returns whether that changed
    something."""
    changed = await connection.fetchval(UPDATE_SERVER_STATUS, session_id, game_server_id, status, error)
    return changed is not None


UPDATE_SELECTED_PLAYER = """
UPDATE cockpit_sessions SET selected_player_id = $2, updated_at = clock_timestamp() WHERE id = $1
"""


async def update_selected_player(connection: Connection, session_id: UUID, player_id: str | None) -> None:
    """Store which player is selected; None for nobody."""
    await connection.execute(UPDATE_SELECTED_PLAYER, session_id, player_id)


UPDATE_EVENT_SEQUENCE = """
UPDATE cockpit_sessions SET event_sequence = event_sequence + $2 WHERE id = $1 RETURNING event_sequence
"""


async def update_event_sequence(connection: Connection, session_id: UUID, count: int) -> int | None:
    """Reserve ``count`` sequence numbers. Returns the last of them; ``None`` if the session no longer
    exists."""
    last: int | None = await connection.fetchval(UPDATE_EVENT_SEQUENCE, session_id, count)
    return last


def _session(row: asyncpg.Record) -> Session:
    return Session(
        id=row["id"],
        conversation_id=row["conversation_id"],
        user_id=row["user_id"],
        mock_server_game_server_id=row["mock_server_game_server_id"],
        mock_server_status=row["mock_server_status"],
        selected_player_id=row["selected_player_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        mock_server_error=row["mock_server_error"],
    )
