"""Starting, stopping, commanding and reading a user's mock game server.

Each takes the caller's transaction. The user's game server row is locked first, then sessions; the game
decides what happens (``cockpit.game.machine``), and a :class:`Ledger` writes it down.
"""

from datetime import timedelta
from uuid import UUID

from cockpit.events.models import STATUS_CHANGED
from cockpit.game import snapshot
from cockpit.game.machine import Console, NotRunning, Start, Stop, Tick, apply
from cockpit.game.model import CommandResult, GameEvent, Player
from cockpit.servers import repository
from cockpit.servers.ledger import Ledger
from cockpit.servers.models import GameServer, ServerStatus
from cockpit.sessions import repository as sessions
from cockpit.sessions.models import Session
from common.errors import Conflict, NotFound
from common.postgres import Connection
from contracts.cockpit import PlayerSelected, ServerStatusChanged

COMMAND_EXECUTED = "command-executed"
_SHOWN = {"chat-message", "player-connected", "player-disconnected"}
"""Events of the game that a session shows; the others are for Takaro's connector."""


async def start_server(connection: Connection, session: Session) -> ServerStatus:
    """Run the user's server in ``session``: start it, or move it here from another session.

    Nothing to do when it runs here. Without a selected player of the five, the first is selected. Raises
    ``NotFound`` when the session is gone by now.
    """
    server = await repository.lock_server(connection, session.user_id)
    session = await _lock(connection, session)
    if server.runs_in(session.id):
        return _status(server)
    ledger = Ledger(server)
    reason = "started"
    if server.state.running:
        reason = "moved"
        await _leave(connection, ledger, "moved", moved_to=session.id)
    outcome = apply(server.state, Start(), server.now)
    server.state, server.session_id, server.conversation_id = (
        outcome.state,
        session.id,
        session.conversation_id,
    )
    await sessions.update_server_status(connection, session.id, server.game_server_id, "running")
    _tell_status(ledger, session.id, session.conversation_id, "running", session.mock_server_status, reason)
    _record(ledger, session.id, session.conversation_id, outcome.events)
    await _select_somebody(connection, ledger, session)
    await ledger.write(connection)
    return _status(server)


async def stop_server(connection: Connection, session: Session) -> ServerStatus:
    """Stop the server that runs in ``session``; nothing to do when none does."""
    server = await repository.lock_server(connection, session.user_id)
    session = await _lock(connection, session)
    if server.runs_in(session.id):
        ledger = Ledger(server)
        outcome = apply(server.state, Stop(), server.now)
        server.state, server.next_tick_at = outcome.state, None
        _record(ledger, session.id, session.conversation_id, outcome.events)
        await _leave(connection, ledger, "stopped")
        await ledger.write(connection)
    elif await sessions.update_server_status(connection, session.id, None, "stopped"):
        # What another writer left: a status without a server.
        ledger = Ledger(server)
        _tell_status(
            ledger, session.id, session.conversation_id, "stopped", session.mock_server_status, "stopped"
        )
        await ledger.write(connection)
    return ServerStatus("stopped", None, 0)


async def execute_command(connection: Connection, session: Session, line: str) -> CommandResult:
    """Run a console line on the server in ``session``; refused by the console is an answer too.

    Raises ``Conflict`` when no server runs in the session.
    """
    server = await repository.lock_server(connection, session.user_id)
    session = await _lock(connection, session)
    if not server.runs_in(session.id):
        raise Conflict("Mock server not running", code="server_not_running")
    outcome = apply(server.state, Console(line), server.now)
    result: CommandResult = outcome.result
    server.state = outcome.state
    server.next_tick_at = repository.next_tick(server, server.now)
    ledger = Ledger(server)
    ledger.happened(
        session.id,
        session.conversation_id,
        COMMAND_EXECUTED,
        {"command": line, "success": result.success, "result": result.raw_result},
    )
    _record(ledger, session.id, session.conversation_id, outcome.events)
    await ledger.write(connection)
    return result


async def get_status(connection: Connection, session: Session) -> ServerStatus:
    """The status of the session's server, and how many players are online."""
    players = await list_players(connection, session)
    online = sum(1 for player in players if player.online)
    return ServerStatus(session.mock_server_status, session.mock_server_game_server_id, online)


async def list_players(connection: Connection, session: Session) -> tuple[Player, ...]:
    """The five players while the server runs in this session, online or not; else none."""
    state = await repository.get_server_state(connection, session.id)
    return snapshot.load(state).players if state else ()


async def simulate(connection: Connection, user_id: str, interval: timedelta) -> bool:
    """Take the step of the user's simulation that is due. False when none is."""
    server = await repository.lock_server(connection, user_id)
    if server.next_tick_at is None or server.next_tick_at > server.now:
        return False
    if server.session_id is None or server.conversation_id is None:
        raise AssertionError("a running server has a session")
    if not await sessions.lock_session(connection, server.session_id):
        return await _stop_orphan(connection, server)
    try:
        outcome = apply(server.state, Tick(), server.now)
    except NotRunning:
        server.next_tick_at = None
        await repository.update_server(connection, server)
        return False
    server.state = outcome.state
    server.next_tick_at = server.now + interval if server.state.simulating else None
    ledger = Ledger(server)
    _record(ledger, server.session_id, server.conversation_id, outcome.events)
    await ledger.write(connection)
    return True


async def stop_orphaned_server(connection: Connection, user_id: str) -> bool:
    """Stop the user's server if its session is gone with its conversation. Whether it did."""
    server = await repository.lock_server(connection, user_id)
    if server.session_id is None or await sessions.lock_session(connection, server.session_id):
        return False
    return await _stop_orphan(connection, server)


async def _stop_orphan(connection: Connection, server: GameServer) -> bool:
    ledger = Ledger(server)
    server.state, server.next_tick_at = apply(server.state, Stop(), server.now).state, None
    await _leave(connection, ledger, "conversation_deleted")
    await ledger.write(connection)
    return True


async def _lock(connection: Connection, session: Session) -> Session:
    """The session as it is now, locked."""
    locked = await sessions.lock_session(connection, session.id)
    current = await sessions.get_session(connection, session.id) if locked else None
    if current is None:
        raise NotFound("Session not found", code="session_not_found")
    return current


async def _leave(connection: Connection, ledger: Ledger, reason: str, moved_to: UUID | None = None) -> None:
    """Take the server out of its session, which is stopped by that, and may be gone."""
    server = ledger.server
    session_id, conversation_id = server.session_id, server.conversation_id
    assert session_id is not None
    assert conversation_id is not None
    server.session_id = server.conversation_id = None
    exists = await sessions.update_server_status(connection, session_id, None, "stopped")
    _tell_status(
        ledger, session_id, conversation_id, "stopped", "running", reason, moved_to=moved_to, show=exists
    )


def _tell_status(
    ledger: Ledger,
    session_id: UUID,
    conversation_id: UUID,
    status: str,
    previous: str,
    reason: str,
    *,
    moved_to: UUID | None = None,
    show: bool = True,
) -> None:
    server = ledger.server
    running = status == "running"
    online = len(server.state.online()) if running else 0
    game_server_id = server.game_server_id if running else None
    fact = ServerStatusChanged.model_validate(
        {
            "session_id": session_id,
            "conversation_id": conversation_id,
            "user_id": server.user_id,
            "game_server_id": game_server_id,
            "status": status,
            "previous_status": previous,
            "player_count": online,
            "reason": reason,
            **({"moved_to": moved_to} if moved_to else {}),
        }
    )
    ledger.tell(session_id, fact)
    if show:
        meta = {
            "status": status,
            "gameServerId": game_server_id,
            "playerCount": online,
            "reason": reason,
            "movedTo": str(moved_to) if moved_to else None,
        }
        ledger.show(session_id, STATUS_CHANGED, meta)


def _record(ledger: Ledger, session_id: UUID, conversation_id: UUID, events: tuple[GameEvent, ...]) -> None:
    for event in events:
        if event.name in _SHOWN:
            ledger.happened(session_id, conversation_id, event.name, event.data)


async def _select_somebody(connection: Connection, ledger: Ledger, session: Session) -> None:
    players = ledger.server.state.players
    if any(player.id == session.selected_player_id for player in players):
        return
    first = players[0].id
    await sessions.update_selected_player(connection, session.id, first)
    ledger.tell(
        session.id,
        PlayerSelected(
            session_id=session.id,
            conversation_id=session.conversation_id,
            user_id=session.user_id,
            player_id=first,
        ),
    )


def _status(server: GameServer) -> ServerStatus:
    return ServerStatus("running", server.game_server_id, len(server.state.online()))
