"""Finds or creates a session, and reads the state of its mock game server.

Functions that take a pool own the transaction; those that take a connection work in their caller's.
"""

from uuid import UUID

from cockpit.game import snapshot
from cockpit.game.records import Player
from cockpit.sessions import repository
from cockpit.sessions.records import ServerStatus, Session
from common.errors import Forbidden, NotFound
from common.postgres import Connection, Pool, transaction, tried_again


def session_not_found() -> NotFound:
    """The error for a session that doesn't exist, or no longer does."""
    return NotFound("Session not found", code="session_not_found")


@tried_again
async def get_or_create_session(pool: Pool, user_id: str, conversation_id: UUID) -> Session:
    """The session of one of the user's conversations. Raises as :func:`session_of`."""
    async with transaction(pool) as connection:
        return await session_of(connection, user_id, conversation_id)


async def session_of(connection: Connection, user_id: str, conversation_id: UUID) -> Session:
    """The session of a conversation, created if it has none. Concurrent first calls get the same one.

    Raises :class:`NotFound` if there is no such conversation, :class:`Forbidden` if it isn't the user's.
    """
    session = await _find(connection, user_id, conversation_id)
    if session:
        return session
    # Nobody can delete the conversation until the commit; one that was deleted meanwhile is noticed here.
    if not await repository.lock_conversations(connection, [conversation_id]):
        raise _no_conversation()
    await repository.insert_session(connection, conversation_id, user_id)
    session = await _find(connection, user_id, conversation_id)
    if session is None:
        raise _no_conversation()
    return session


async def get_session(pool: Pool, user_id: str, session_id: UUID) -> Session:
    """One of the user's sessions. Raises as :func:`own_session`."""
    async with pool.acquire() as connection:
        return await own_session(connection, user_id, session_id)


async def own_session(connection: Connection, user_id: str, session_id: UUID) -> Session:
    """One of the user's sessions. Raises :class:`NotFound` or, for another user's, :class:`Forbidden`."""
    session = await repository.get_session(connection, session_id)
    if session is None:
        raise session_not_found()
    if session.user_id != user_id:
        raise Forbidden
    return session


async def lock_session(connection: Connection, session: Session) -> Session:
    """The session's current row, locked. Raises :class:`NotFound` if it no longer exists."""
    locked = await repository.lock_session(connection, session.id)
    current = await repository.get_session(connection, session.id) if locked else None
    if current is None:
        raise session_not_found()
    return current


async def get_status(pool: Pool, user_id: str, session_id: UUID) -> ServerStatus:
    """The status of the server of one of the user's sessions. Raises as :func:`own_session`."""
    async with pool.acquire() as connection:
        return await status_of(connection, await own_session(connection, user_id, session_id))


async def status_of(connection: Connection, session: Session) -> ServerStatus:
    """The status of the session's server, and how many players are online."""
    online = sum(1 for player in await players_of(connection, session) if player.online)
    return ServerStatus(
        session.mock_server_status, session.mock_server_game_server_id, online, session.mock_server_error
    )


async def players_of(connection: Connection, session: Session) -> tuple[Player, ...]:
    """The five players while the server runs in this session, online or not; else none."""
    state = await repository.get_game_state(connection, session.id)
    return snapshot.load(state).players if state else ()


async def _find(connection: Connection, user_id: str, conversation_id: UUID) -> Session | None:
    found = await repository.get_session_of(connection, conversation_id)
    if found is None:
        raise _no_conversation()
    if found.owner != user_id or (found.session and found.session.user_id != user_id):
        raise Forbidden
    return found.session


def _no_conversation() -> NotFound:
    return NotFound("Conversation not found", code="conversation_not_found")
