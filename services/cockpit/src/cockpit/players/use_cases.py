"""Lists the players of a session, and selects the one that its user tests as.

Functions that take a pool own the transaction; those that take a connection work in their caller's.
"""

from uuid import UUID

from cockpit.game.records import Player
from cockpit.servers.facts import Changes
from cockpit.servers.use_cases import lock_game
from cockpit.sessions import repository as sessions
from cockpit.sessions.facts import player_selected
from cockpit.sessions.records import Session
from cockpit.sessions.use_cases import own_session, players_of
from common.errors import NotFound
from common.postgres import Connection, Pool, transaction, tried_again


async def list_players(pool: Pool, user_id: str, session_id: UUID) -> tuple[Session, tuple[Player, ...]]:
    """One of the user's sessions with its players: none unless its server runs. Raises as
    :func:`own_session`."""
    async with pool.acquire() as connection:
        session = await own_session(connection, user_id, session_id)
        return session, await players_of(connection, session)


@tried_again
async def select_player(pool: Pool, user_id: str, session_id: UUID, player_id: str | None) -> str | None:
    """:func:`select_player_in` one of the user's sessions. Raises as that and :func:`own_session`."""
    async with transaction(pool) as connection:
        session = await own_session(connection, user_id, session_id)
        return await select_player_in(connection, session, player_id)


async def select_player_in(connection: Connection, session: Session, player_id: str | None) -> str | None:
    """Select a player by id or game id, or nobody. Returns the id that is now selected.

    Players are the same whether the server runs or not. Raises :class:`NotFound` for an unknown player, and
    if the session no longer exists.
    """
    server, current = await lock_game(connection, session)
    chosen = None
    if player_id is not None:
        matches = (one.id for one in server.state.players if player_id in (one.id, one.game_id))
        chosen = next(matches, None)
        if chosen is None:
            raise NotFound("Player not found", code="player_not_found")
    if current.selected_player_id == chosen:
        return chosen
    await sessions.update_selected_player(connection, session.id, chosen)
    changes = Changes(server)
    changes.publish(session.id, player_selected(session, chosen))
    await changes.write(connection)
    return chosen
