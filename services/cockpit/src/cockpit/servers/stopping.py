"""How a mock game server stops: by its user, with its conversation, or because of its connection.

Each function works in its caller's transaction, which has locked the server (``cockpit.servers.locking``).
"""

from collections.abc import Mapping
from uuid import UUID

from cockpit.game.machine import Stop, apply
from cockpit.servers import connections, repository
from cockpit.servers.facts import Changes
from cockpit.servers.records import GameServer
from cockpit.sessions import repository as sessions
from cockpit.sessions.records import Session
from common.postgres import Connection
from common.trace_context import TraceContext, continuing


async def stop_servers_of(connection: Connection, traces: Mapping[UUID, TraceContext | None]) -> None:
    """Stop the servers that ran in deleted conversations, each in the trace given for its conversation.

    The sessions were deleted with the conversations. A session that exists belongs to a later conversation of
    the same id, and its server is left alone.
    """
    orphans = await repository.list_orphans_of(connection, list(traces))
    for user_id, conversation_id in orphans:
        with continuing(traces[conversation_id]):
            await stop_orphaned_server(connection, user_id)


async def stop_orphaned_server(connection: Connection, user_id: str) -> bool:
    """Stop the user's server if its session was deleted with its conversation. Returns whether it did."""
    server = await repository.lock_server(connection, user_id)
    if (
        server is None
        or server.session_id is None
        or await sessions.get_session(connection, server.session_id)
    ):
        return False
    return await stop_orphan(connection, server)


async def stop_orphan(connection: Connection, server: GameServer) -> bool:
    """Stop a locked server whose session no longer exists. Returns True."""
    changes = Changes(server)
    server.state, server.next_tick_at = apply(server.state, Stop(), server.now).state, None
    await leave(connection, changes, "conversation_deleted")
    await changes.write(connection)
    return True


async def end_running(
    connection: Connection, changes: Changes, session: Session, reason: str = "stopped"
) -> None:
    """The game in ``session`` has stopped: its server is ``stopping`` if it connects, else ``stopped``."""
    server = changes.server
    if not server.connects:
        await leave(connection, changes, reason)
        return
    previous, server.status = server.status, "stopping"
    await sessions.update_server_status(connection, session.id, None, "stopping")
    told = "stopping" if reason == "stopped" else reason
    changes.status_changed(session.id, session.conversation_id, "stopping", previous, told)


async def leave(
    connection: Connection,
    changes: Changes,
    reason: str,
    moved_to: UUID | None = None,
    error: str | None = None,
) -> None:
    """Take the server out of its session, which may no longer exist.

    The session counts as stopped then or, with ``error``, as an error for this reason.
    """
    server = changes.server
    session_id, conversation_id, previous = server.session_id, server.conversation_id, server.status
    assert session_id is not None
    assert conversation_id is not None
    server.session_id = server.conversation_id = None
    server.status = "stopped"
    status = "stopped" if error is None else "error"
    exists = await sessions.update_server_status(connection, session_id, None, status, error)
    changes.status_changed(
        session_id,
        conversation_id,
        status,
        previous,
        reason,
        moved_to=moved_to,
        detail=error,
        show=exists,
    )
    if server.connects and moved_to is None:
        await connections.forget_connection(connection, server.user_id)
        changes.forget_takaro_events()
