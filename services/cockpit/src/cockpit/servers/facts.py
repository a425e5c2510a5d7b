"""The facts about mock game servers. Those of one change are numbered and written at its end.

The numbers come from locked rows. Ids of a session's events grow in commit order, because every change of a
user's sessions first locks the user's game server. Sequences come from the session's own row.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from backbone import outbox
from backbone.names import CONNECTIONS_CHANNEL, GAME_EVENTS_CHANNEL, TAKARO_EVENTS_CHANNEL, connection_lease
from cockpit.events import repository as events
from cockpit.events.records import STATUS_CHANGED, SessionEvent
from cockpit.game import roster
from cockpit.game.records import GameEvent
from cockpit.servers import repository as servers
from cockpit.servers.connections import insert_takaro_events
from cockpit.servers.records import GameServer
from cockpit.sessions import repository as sessions
from common.notifications import notify
from common.postgres import Connection
from contracts import Contract
from contracts.cockpit import FACTS_STREAM, GameEventHappened, ServerStatusChanged

_SHOWN = {"chat-message", "player-connected", "player-disconnected"}
"""Events of the game that a session shows; the others are for Takaro's connector."""


@dataclass(slots=True)
class _Entry:
    session_id: UUID
    fact: Callable[[SessionEvent | None], Contract | None]
    event: tuple[str, Mapping[str, Any]] | None = None


@dataclass(slots=True)
class Changes:
    """Collects the session events and the facts of one change to ``server``, in order."""

    server: GameServer
    entries: list[_Entry] = field(default_factory=list)
    for_takaro: list[GameEvent] = field(default_factory=list)
    status: bool = False
    """Whether the status changes."""
    _before: tuple[UUID | None, int] = field(init=False)

    def __post_init__(self) -> None:
        self._before = (self.server.session_id, self.server.event_sequence)

    def publish(self, session_id: UUID, fact: Contract) -> None:
        """A fact about a session, which may already be deleted."""
        self.entries.append(_Entry(session_id, lambda _: fact))

    def show(self, session_id: UUID, name: str, meta: Mapping[str, Any]) -> None:
        """An event for the session's stream only."""
        self.entries.append(_Entry(session_id, lambda _: None, (name, meta)))

    def happened(self, session_id: UUID, conversation_id: UUID, name: str, meta: Mapping[str, Any]) -> None:
        """A game event: for the session's stream, and a fact."""
        server = self.server

        def fact(event: SessionEvent | None) -> Contract:
            assert event is not None
            return GameEventHappened(
                session_id=session_id,
                conversation_id=conversation_id,
                user_id=server.user_id,
                game_server_id=server.game_server_id,
                event_id=event.id,
                event_name=event.event_name,
                created_at=event.created_at,
                meta=dict(event.meta),
            )

        self.entries.append(_Entry(session_id, fact, (name, meta)))

    def game_events(self, session_id: UUID, conversation_id: UUID, happened: Iterable[GameEvent]) -> None:
        """The game's events: those that a session shows, and all of them for Takaro if it connects."""
        for event in happened:
            if self.server.connects:
                self.for_takaro.append(event)
            if event.name in _SHOWN:
                self.happened(session_id, conversation_id, event.name, event.data)

    def forget_takaro_events(self) -> None:
        """The server no longer connects."""
        self.for_takaro.clear()

    def status_changed(
        self,
        session_id: UUID,
        conversation_id: UUID,
        status: str,
        previous: str,
        reason: str,
        *,
        moved_to: UUID | None = None,
        detail: str | None = None,
        show: bool = True,
    ) -> None:
        """The server started, stopped, moved or failed: a fact and, if ``show``, for the session's stream.

        ``moved_to``: the session that the server runs in from now on. ``detail``: what the error is.
        """
        server, self.status = self.server, True
        online = len(server.state.online()) if status in ("starting", "running") else 0
        game_server_id = server.game_server_id if status == "running" else None
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
                **({"detail": detail} if detail else {}),
            }
        )
        self.publish(session_id, fact)
        if show:
            meta = {
                "status": status,
                "gameServerId": game_server_id,
                "playerCount": online,
                "reason": reason,
                "movedTo": str(moved_to) if moved_to else None,
                "detail": detail,
            }
            self.show(session_id, STATUS_CHANGED, meta)

    async def write(self, connection: Connection) -> None:
        """Store events and server, append the numbered facts to the outbox, notify the sessions'
        followers."""
        shown = [(entry.session_id, *entry.event) for entry in self.entries if entry.event]
        stored = iter(await events.insert_events(connection, shown))
        facts = [
            (entry.session_id, fact)
            for entry in self.entries
            if (fact := entry.fact(next(stored) if entry.event else None)) is not None
        ]
        numbers = await self._take_numbers(connection, Counter(session_id for session_id, _ in facts))
        numbered = []
        for session_id, fact in facts:
            numbered.append(outbox.Fact(FACTS_STREAM, str(session_id), numbers[session_id], fact))
            numbers[session_id] += 1
        await servers.update_server(connection, self.server)
        if self.for_takaro:
            await insert_takaro_events(connection, self.server.user_id, self.for_takaro)
        await outbox.append(connection, numbered)
        for session_id in {session_id for session_id, *_ in shown}:
            await events.delete_old_events(connection, session_id)
        await notify(
            connection, GAME_EVENTS_CHANNEL, sorted({str(entry.session_id) for entry in self.entries})
        )
        if self.server.connects and (self.status or self.for_takaro):
            lease = connection_lease(roster.game_server_id(self.server.user_id))
            await notify(connection, CONNECTIONS_CHANNEL if self.status else TAKARO_EVENTS_CHANNEL, [lease])

    async def _take_numbers(self, connection: Connection, counts: Mapping[UUID, int]) -> dict[UUID, int]:
        """The first sequence number for each session; the server's copy is kept in step."""
        first = {}
        for session_id in sorted(counts):
            count = counts[session_id]
            last = await sessions.update_event_sequence(connection, session_id, count)
            if last is None:
                # The session was deleted with its conversation: only the server that ran in it still has its
                # last sequence.
                ran_in, sequence = self._before
                assert session_id == ran_in
                last = sequence + count
            if session_id == self.server.session_id:
                self.server.event_sequence = last
            first[session_id] = last - count + 1
        return first
