"""Starting, stopping and commanding a user's mock game server.

Functions that take a pool own the transaction; those that take a connection work in their caller's.
Conversations are locked first, then the user's game server, then the session (:func:`lock_game`). The game
decides what happens (``cockpit.game.machine``), and :class:`Changes` writes it down.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from cockpit.game.machine import Console, NotRunning, Start, Stop, Tick, apply
from cockpit.game.records import CommandResult
from cockpit.game.roster import game_server_id
from cockpit.servers import connections, repository
from cockpit.servers.facts import Changes
from cockpit.servers.locking import check_locked, lock_running, lock_server
from cockpit.servers.records import GameServer
from cockpit.servers.rules import current_status, next_tick, tick_after
from cockpit.servers.stopping import end_running, leave, stop_orphan
from cockpit.sessions import repository as sessions
from cockpit.sessions.facts import player_selected
from cockpit.sessions.records import ServerStatus, Session
from cockpit.sessions.use_cases import lock_session, own_session
from cockpit.tokens.use_cases import Tokens
from common.errors import Conflict
from common.postgres import Connection, Pool, transaction, tried_again

COMMAND_EXECUTED = "command-executed"


async def lock_batch(
    connection: Connection, conversation_ids: Sequence[UUID], user_ids: Sequence[str]
) -> None:
    """Lock what :func:`lock_game` locks for each of these, at once and in the same order.

    Raises :class:`Overtaken` if one of the servers has moved meanwhile: the batch would lock the conversation
    that it runs in now after others, out of the order.
    """
    locked = await sessions.lock_conversations(connection, conversation_ids, user_ids)
    for session_id, conversation_id in await repository.lock_servers(connection, user_ids):
        await check_locked(connection, session_id, conversation_id, locked)


async def lock_servers_of(connection: Connection, conversation_ids: Sequence[UUID]) -> None:
    """Lock the servers that ran in deleted conversations: those of a batch, before anything else."""
    await repository.lock_servers_of(connection, conversation_ids)


async def lock_game(connection: Connection, session: Session) -> tuple[GameServer, Session]:
    """The user's game server and the session's current row, locked until the commit.

    The conversations of this session, and of the one that the server runs in, come first. A session's row
    refers to its conversation, which Postgres locks too when the row changes twice in a transaction. The
    server's row serialises all changes of a user's sessions. Raises :class:`NotFound` if the session no
    longer exists, and :class:`Overtaken` if the server has moved meanwhile.
    """
    locked = await sessions.lock_conversations(connection, [session.conversation_id], [session.user_id])
    server = await lock_server(connection, session.user_id)
    await check_locked(connection, server.session_id, server.conversation_id, locked)
    return server, await lock_session(connection, session)


@tried_again
async def start_server(pool: Pool, user_id: str, session_id: UUID, tokens: Tokens) -> ServerStatus:
    """:func:`start_server_in` one of the user's sessions. Raises as that and :func:`own_session`."""
    async with transaction(pool) as connection:
        session = await own_session(connection, user_id, session_id)
        connects = await tokens.can_connect(connection, user_id)
        return await start_server_in(connection, session, connects=connects)


async def start_server_in(
    connection: Connection, session: Session, *, connects: bool = False
) -> ServerStatus:
    """Run the user's server in ``session``: start it, or move it here from another session.

    A server that ``connects`` is ``starting`` until Takaro has named it. Does nothing if it runs or starts
    here. If none of the five players is selected, selects the first one. Raises :class:`NotFound` if the
    session no longer exists.
    """
    server, session = await lock_game(connection, session)
    if server.runs_in(session.id):
        return current_status(server)
    changes = Changes(server)
    moved, before = server.state.running, server.status
    if server.session_id is not None and (moved or server.session_id != session.id):
        await leave(
            connection, changes, "moved" if moved else "stopped", moved_to=session.id if moved else None
        )
    outcome = apply(server.state, Start(), server.now)
    server.state, server.session_id, server.conversation_id = (
        outcome.state,
        session.id,
        session.conversation_id,
    )
    known = moved and server.connects and connects
    if server.connects and not connects:
        await connections.forget_connection(connection, session.user_id)
    server.connects = connects
    server.status = before if known else "starting" if connects else "running"
    if connects:
        await connections.want_connection(connection, session.user_id)
    else:
        server.game_server_id = game_server_id(session.user_id)
    await sessions.update_server_status(connection, session.id, server.named(), server.status)
    reason = "moved" if moved else "starting" if server.status == "starting" else "started"
    changes.status_changed(
        session.id, session.conversation_id, server.status, session.mock_server_status, reason
    )
    changes.game_events(session.id, session.conversation_id, outcome.events)
    await _select_somebody(connection, changes, session)
    await changes.write(connection)
    return current_status(server)


@tried_again
async def stop_server(pool: Pool, user_id: str, session_id: UUID) -> ServerStatus:
    """:func:`stop_server_in` one of the user's sessions. Raises as that and :func:`own_session`."""
    async with transaction(pool) as connection:
        return await stop_server_in(connection, await own_session(connection, user_id, session_id))


async def stop_server_in(connection: Connection, session: Session) -> ServerStatus:
    """Stop the server that runs in ``session``. Does nothing if none runs.

    One that connects is ``stopping`` until its socket is closed. Raises :class:`NotFound` if the session no
    longer exists.
    """
    server, session = await lock_game(connection, session)
    if server.runs_in(session.id):
        changes = Changes(server)
        outcome = apply(server.state, Stop(), server.now)
        server.state, server.next_tick_at = outcome.state, None
        changes.game_events(session.id, session.conversation_id, outcome.events)
        await end_running(connection, changes, session)
        await changes.write(connection)
        return current_status(server)
    if server.session_id == session.id:
        return current_status(server)  # stopping
    if await sessions.update_server_status(connection, session.id, None, "stopped"):
        # Left by another writer, or an error: a status without a server.
        changes = Changes(server)
        changes.status_changed(
            session.id, session.conversation_id, "stopped", session.mock_server_status, "stopped"
        )
        await changes.write(connection)
    return ServerStatus("stopped", None, 0)


@tried_again
async def execute_command(pool: Pool, user_id: str, session_id: UUID, line: str) -> CommandResult:
    """:func:`execute_command_in` one of the user's sessions. Raises as that and :func:`own_session`."""
    async with transaction(pool) as connection:
        session = await own_session(connection, user_id, session_id)
        return await execute_command_in(connection, session, line)


async def execute_command_in(connection: Connection, session: Session, line: str) -> CommandResult:
    """Run a console line on the server in ``session``. A line that the console refuses has an answer too.

    Raises :class:`Conflict` if no server runs in the session, :class:`NotFound` if it no longer exists.
    """
    server, session = await lock_game(connection, session)
    if not server.runs_in(session.id):
        raise Conflict("Mock server not running", code="server_not_running")
    outcome = apply(server.state, Console(line), server.now)
    result: CommandResult = outcome.result
    server.state = outcome.state
    server.next_tick_at = next_tick(server)
    changes = Changes(server)
    changes.happened(
        session.id,
        session.conversation_id,
        COMMAND_EXECUTED,
        {"command": line, "success": result.success, "result": result.raw_result},
    )
    changes.game_events(session.id, session.conversation_id, outcome.events)
    await changes.write(connection)
    return result


async def simulate(connection: Connection, user_id: str, interval: timedelta) -> bool:
    """Take the step of the user's simulation that is due. False if none is."""
    server = await lock_running(connection, user_id)
    if server is None or server.next_tick_at is None or server.next_tick_at > server.now:
        return False
    if server.session_id is None or server.conversation_id is None:
        raise AssertionError("a running server has a session")
    if not await sessions.lock_session(connection, server.session_id):
        return await stop_orphan(connection, server)
    try:
        outcome = apply(server.state, Tick(), server.now)
    except NotRunning:
        server.next_tick_at = None
        await repository.update_server(connection, server)
        return False
    server.state = outcome.state
    server.next_tick_at = tick_after(server, interval)
    changes = Changes(server)
    changes.game_events(server.session_id, server.conversation_id, outcome.events)
    await changes.write(connection)
    return True


async def _select_somebody(connection: Connection, changes: Changes, session: Session) -> None:
    players = changes.server.state.players
    if any(player.id == session.selected_player_id for player in players):
        return
    first = players[0].id
    await sessions.update_selected_player(connection, session.id, first)
    changes.publish(session.id, player_selected(session, first))
