"""What a server's connection to Takaro changes in its state. Each works in its caller's transaction.

``starting`` becomes ``running`` once Takaro has named the server, ``stopping`` becomes ``stopped`` once its
socket is closed, and a start that fails becomes an ``error``. Each does nothing if the state has changed
meanwhile.
"""

from collections.abc import Mapping
from typing import Any

from cockpit.game.actions import perform
from cockpit.game.machine import Action, NotRunning, Stop, apply
from cockpit.servers import repository
from cockpit.servers.facts import Changes
from cockpit.servers.locking import lock_running
from cockpit.servers.records import GameServer
from cockpit.servers.rules import next_tick
from cockpit.servers.stopping import end_running, leave, stop_orphan
from cockpit.sessions import repository as sessions
from cockpit.settings import ConnectionLimits
from common.postgres import Connection

READING = frozenset(
    {
        "getPlayer",
        "getPlayers",
        "getPlayerLocation",
        "getPlayerInventory",
        "listItems",
        "listEntities",
        "listLocations",
        "testReachability",
        "listBans",
        "getMapInfo",
        "getMapTile",
    }
)
"""Actions that change nothing: they need no lock."""


async def become_named(connection: Connection, user_id: str, game_server_id: str) -> bool:
    """Takaro calls the user's server so: it is ``running`` now. Returns whether that changed something."""
    server = await lock_running(connection, user_id)
    if server is None or not server.connects or server.status not in ("starting", "running"):
        return False
    if server.status == "running" and server.game_server_id == game_server_id:
        return False
    assert server.session_id is not None
    assert server.conversation_id is not None
    previous, server.status, server.game_server_id = server.status, "running", game_server_id
    changes = Changes(server)
    if await sessions.update_server_status(connection, server.session_id, game_server_id, "running"):
        reason = "started" if previous == "starting" else "renamed"
        changes.status_changed(server.session_id, server.conversation_id, "running", previous, reason)
    await changes.write(connection)
    return True


async def become_stopped(connection: Connection, user_id: str) -> bool:
    """The socket of the user's ``stopping`` server is closed. Returns whether that changed something."""
    server = await lock_running(connection, user_id)
    if server is None or server.status != "stopping":
        return False
    changes = Changes(server)
    await leave(connection, changes, "stopped")
    await changes.write(connection)
    return True


async def become_failed(connection: Connection, user_id: str, detail: str) -> bool:
    """Takaro refused the user's server, or didn't name it in time. Returns whether that changed something."""
    server = await lock_running(connection, user_id)
    if server is None or not server.connects or server.status not in ("starting", "running"):
        return False
    return await _fail(connection, server, detail)


async def resolve_stuck(connection: Connection, user_id: str, *, limits: ConnectionLimits) -> bool:
    """End a start or stop that takes too long, for a process that holds no connection."""
    server = await lock_running(connection, user_id)
    if server is None:
        return False
    since = await repository.get_status_age(connection, user_id)
    if server.status == "starting" and since > limits.start:
        seconds = f"{limits.start.total_seconds():g}"
        return await _fail(connection, server, f"Takaro named no game server within {seconds} seconds")
    if server.status == "stopping" and since > limits.stop:
        changes = Changes(server)
        await leave(connection, changes, "stopped")
        await changes.write(connection)
        return True
    return False


async def answer_request(connection: Connection, user_id: str, name: str, args: Mapping[str, Any]) -> Any:
    """Carry out a request of Takaro's. Returns its payload.

    Raises :class:`~cockpit.game.actions.ActionRefused`, which changes nothing, and :class:`NotRunning`.
    """
    server = await lock_running(connection, user_id)
    if server is None or server.session_id is None or server.conversation_id is None:
        raise NotRunning("Mock server not running")
    if not server.state.running:
        raise NotRunning("Mock server not running")
    session = await sessions.get_session(connection, server.session_id)
    if session is None or not await sessions.lock_session(connection, session.id):
        await stop_orphan(connection, server)
        raise NotRunning("Mock server not running")
    outcome = apply(server.state, Action(name, args), server.now)
    server.state = outcome.state
    server.next_tick_at = next_tick(server)
    changes = Changes(server)
    changes.game_events(session.id, session.conversation_id, outcome.events)
    if not server.state.running:
        await end_running(connection, changes, session, "shutdown")
    await changes.write(connection)
    return outcome.result


async def read_for_request(connection: Connection, user_id: str, name: str, args: Mapping[str, Any]) -> Any:
    """Answer a request of :data:`READING` from the stored game. Raises as :func:`answer_request`."""
    game = await repository.get_game(connection, user_id)
    if game is None or not game.state.running:
        raise NotRunning("Mock server not running")
    return perform(game.state, name, args, game.now).result


async def _fail(connection: Connection, server: GameServer, detail: str) -> bool:
    assert server.session_id is not None
    assert server.conversation_id is not None
    changes = Changes(server)
    outcome = apply(server.state, Stop(), server.now)
    server.state, server.next_tick_at = outcome.state, None
    changes.game_events(server.session_id, server.conversation_id, outcome.events)
    await leave(connection, changes, "connection_failed", error=detail)
    await changes.write(connection)
    return True
