"""Cockpit's sessions: the mock game server of a conversation, its players and its events."""

from typing import Any
from uuid import UUID

from takaro_agent_client.calls import Call, EventSource, Order, call, in_query, path
from takaro_agent_client.models import CommandResult, Players, ServerStatus, Session

Id = UUID | str


def session(conversation_id: Id) -> Call[Session]:
    """The session of one of the caller's conversations, which is made if it has none."""
    return call("cockpit", "GET", _path(conversation_id), Session.model_validate)


def start(session_id: Id) -> Call[ServerStatus]:
    """Start the caller's server in this session, or move it here."""
    return call("cockpit", "POST", _path(session_id, "mock-server", "start"), ServerStatus.model_validate)


def stop(session_id: Id) -> Call[ServerStatus]:
    """Stop the server of this session."""
    return call("cockpit", "POST", _path(session_id, "mock-server", "stop"), ServerStatus.model_validate)


def status(session_id: Id) -> Call[ServerStatus]:
    """Whether the server runs, its id, and how many players are online."""
    return call("cockpit", "GET", _path(session_id, "mock-server", "status"), ServerStatus.model_validate)


def command(session_id: Id, line: str) -> Call[CommandResult]:
    """Run a console line."""
    where = _path(session_id, "mock-server", "command")
    return call("cockpit", "POST", where, CommandResult.model_validate, body={"command": line})


def players(
    session_id: Id, *, limit: int | None = None, cursor: str | None = None, order: Order | None = None
) -> Call[Players]:
    """The players of the session's running server: all of them, or with a ``limit`` a page."""
    query = in_query({"limit": limit, "cursor": cursor, "order": order})
    return Call("cockpit", "GET", _path(session_id, "players"), _players, query=query)


def _players(body: Any) -> Players:
    following = (body.get("meta") or {}).get("nextCursor")
    return Players.model_validate({**body["data"], "nextCursor": following})


def select_player(session_id: Id, player_id: str | None) -> Call[str | None]:
    """Select a player, or nobody; returns who is selected now."""
    where = _path(session_id, "select-player")
    return call("cockpit", "POST", where, lambda data: data["selectedPlayerId"], body={"playerId": player_id})


def events(session_id: Id) -> EventSource:
    """What happens in the session: ``connected``, ``event``, ``status``; the last 50 first."""
    return EventSource("cockpit", _path(session_id, "events"))


def _path(*parts: object) -> str:
    return path("cockpit", "sessions", *parts)
