"""Finding a session, making it, and choosing the player that its user tests as."""

from uuid import UUID

from cockpit.servers import repository as servers
from cockpit.servers.ledger import Ledger
from cockpit.sessions import repository
from cockpit.sessions.models import Session
from common.errors import Forbidden, NotFound
from common.postgres import Connection
from contracts.cockpit import PlayerSelected


async def get_or_create_session(connection: Connection, conversation_id: UUID, user_id: str) -> Session:
    """The session of a conversation of ``user_id``; concurrent first calls get the same one.

    Raises ``NotFound`` when there is no such conversation, ``Forbidden`` when it is another user's.
    """
    session = await _find(connection, conversation_id, user_id)
    if session:
        return session
    # Until the commit nobody deletes the conversation; one deleted meanwhile is found gone here.
    if not await repository.lock_conversation(connection, conversation_id):
        raise _no_conversation()
    await repository.insert_session(connection, conversation_id, user_id)
    session = await _find(connection, conversation_id, user_id)
    if session is None:
        raise _no_conversation()
    return session


async def get_session(connection: Connection, session_id: UUID, user_id: str) -> Session:
    """A session of ``user_id``. Raises ``NotFound`` or ``Forbidden``."""
    session = await repository.get_session(connection, session_id)
    if session is None:
        raise NotFound("Session not found", code="session_not_found")
    if session.user_id != user_id:
        raise Forbidden
    return session


async def select_player(connection: Connection, session: Session, player_id: str | None) -> str | None:
    """Choose a player by id or game id, or nobody; the id that is selected now.

    Players are the same whether the server runs or not. Raises ``NotFound`` for an unknown player, and when
    the session is gone by now.
    """
    server = await servers.lock_server(connection, session.user_id)
    if not await repository.lock_session(connection, session.id):
        raise NotFound("Session not found", code="session_not_found")
    chosen = None
    if player_id is not None:
        matches = (one.id for one in server.state.players if player_id in (one.id, one.game_id))
        chosen = next(matches, None)
        if chosen is None:
            raise NotFound("Player not found", code="player_not_found")
    current = await repository.get_session(connection, session.id)
    if current is None or current.selected_player_id == chosen:
        return chosen
    await repository.update_selected_player(connection, session.id, chosen)
    ledger = Ledger(server)
    ledger.tell(
        session.id,
        PlayerSelected(
            session_id=session.id,
            conversation_id=session.conversation_id,
            user_id=session.user_id,
            player_id=chosen,
        ),
    )
    await ledger.write(connection)
    return chosen


async def _find(connection: Connection, conversation_id: UUID, user_id: str) -> Session | None:
    found = await repository.get_session_of(connection, conversation_id)
    if found is None:
        raise _no_conversation()
    if found.owner != user_id or (found.session and found.session.user_id != user_id):
        raise Forbidden
    return found.session


def _no_conversation() -> NotFound:
    return NotFound("Conversation not found", code="conversation_not_found")
