"""SQL of sessions' events. Each function runs its one statement on the caller's transaction."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from cockpit.events.records import STATUS_CHANGED, SessionEvent
from common.postgres import Connection

KEPT = 500
"""Events kept for each session. A tab that was disconnected for longer than these misses older ones."""


INSERT_EVENTS = """
INSERT INTO cockpit_events (session_id, event_name, meta)
SELECT session_id, event_name, meta
FROM unnest($1::uuid[], $2::text[], $3::jsonb[]) WITH ORDINALITY AS new (session_id, event_name, meta, place)
ORDER BY place
RETURNING id, event_name, meta, created_at
"""


async def insert_events(
    connection: Connection, events: Sequence[tuple[UUID, str, Mapping[str, Any]]]
) -> Sequence[SessionEvent]:
    """Store ``(session, name, meta)`` in this order. Returns the rows with ids and times."""
    if not events:
        return []
    sessions, names, metas = zip(*events, strict=True)
    rows = await connection.fetch(INSERT_EVENTS, sessions, names, metas)
    return [SessionEvent(**row) for row in rows]


LIST_EVENTS_AFTER = """
SELECT id, event_name, meta, created_at FROM cockpit_events
WHERE session_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""


async def list_events_after(
    connection: Connection, session_id: UUID, after: int, limit: int
) -> Sequence[SessionEvent]:
    """Events after an id, oldest first."""
    return [
        SessionEvent(**row) for row in await connection.fetch(LIST_EVENTS_AFTER, session_id, after, limit)
    ]


LIST_LAST_EVENTS = """
SELECT * FROM (
    SELECT id, event_name, meta, created_at FROM cockpit_events
    WHERE session_id = $1 AND event_name <> $3 ORDER BY id DESC LIMIT $2
) AS newest ORDER BY id
"""


async def list_last_events(connection: Connection, session_id: UUID, limit: int) -> Sequence[SessionEvent]:
    """The newest game events, oldest first."""
    rows = await connection.fetch(LIST_LAST_EVENTS, session_id, limit, STATUS_CHANGED)
    return [SessionEvent(**row) for row in rows]


GET_LAST_ID = "SELECT coalesce(max(id), 0) FROM cockpit_events WHERE session_id = $1"


async def get_last_id(connection: Connection, session_id: UUID) -> int:
    """The id of the session's newest event of any kind; 0 if there is none."""
    last: int = await connection.fetchval(GET_LAST_ID, session_id)
    return last


DELETE_OLD_EVENTS = """
DELETE FROM cockpit_events WHERE session_id = $1
  AND id <= (SELECT id FROM cockpit_events WHERE session_id = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)
"""


async def delete_old_events(connection: Connection, session_id: UUID, keep: int = KEPT) -> None:
    """Delete all but the newest ``keep`` events of a session."""
    await connection.execute(DELETE_OLD_EVENTS, session_id, keep)
