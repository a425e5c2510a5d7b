"""Locks a user's game server, after the conversations that it concerns."""

from collections.abc import Set
from uuid import UUID

from cockpit.servers import repository
from cockpit.servers.records import GameServer
from cockpit.sessions import repository as sessions
from common.postgres import Connection, Overtaken


async def check_locked(
    connection: Connection, session_id: UUID | None, conversation_id: UUID | None, locked: Set[UUID]
) -> None:
    """Raise :class:`Overtaken` if a server runs in this session and its conversation isn't ``locked``."""
    if session_id is None or conversation_id in locked:
        return
    if await sessions.get_session(connection, session_id) is not None:
        raise Overtaken("the game server moved to another session meanwhile")


async def lock_server(connection: Connection, user_id: str) -> GameServer:
    """The user's game server, locked until the commit; a new one with five players if there was none."""
    server = await repository.lock_server(connection, user_id)
    if server is None:
        await repository.insert_server(connection, user_id)
        server = await repository.lock_server(connection, user_id)
        assert server is not None
    return server


async def lock_running(connection: Connection, user_id: str) -> GameServer | None:
    """The user's game server and the conversation that it runs in, locked until the commit; None if there is
    none, as after an erasure. Raises :class:`Overtaken` if it has moved meanwhile."""
    locked = await sessions.lock_conversations(connection, [], [user_id])
    server = await repository.lock_server(connection, user_id)
    if server is not None:
        await check_locked(connection, server.session_id, server.conversation_id, locked)
    return server
