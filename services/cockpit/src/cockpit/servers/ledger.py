"""What a change leaves behind: the server's row, events of sessions and facts, written at its end.

The numbers come from rows whose locks are held: ids of a session's events grow in commit order, because every
change of a user's sessions first locks the user's game server; sequences come from the session's own row.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from backbone import outbox
from cockpit.events import repository as events
from cockpit.events.models import SessionEvent
from cockpit.servers import repository as servers
from cockpit.servers.models import GameServer
from cockpit.sessions import repository as sessions
from common.postgres import Connection
from contracts import Contract
from contracts.cockpit import FACTS_STREAM, GameEventHappened


@dataclass(slots=True)
class _Entry:
    session_id: UUID
    fact: Callable[[SessionEvent | None], Contract | None]
    event: tuple[str, Mapping[str, Any]] | None = None


@dataclass(slots=True)
class Ledger:
    """Collects the events and facts of one change to ``server``, in order."""

    server: GameServer
    entries: list[_Entry] = field(default_factory=list)
    _left: tuple[UUID | None, int] = field(init=False)

    def __post_init__(self) -> None:
        self._left = (self.server.session_id, self.server.event_sequence)

    def tell(self, session_id: UUID, fact: Contract) -> None:
        """A fact about a session, also about one that is gone."""
        self.entries.append(_Entry(session_id, lambda _: fact))

    def show(self, session_id: UUID, name: str, meta: Mapping[str, Any]) -> None:
        """An event for the session's stream alone."""
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

    async def write(self, connection: Connection) -> None:
        """Store events and server, append the numbered facts to the outbox, wake the sessions' streams."""
        shown = [(entry.session_id, *entry.event) for entry in self.entries if entry.event]
        stored = iter(await events.insert_events(connection, shown))
        told = [
            (entry.session_id, fact)
            for entry in self.entries
            if (fact := entry.fact(next(stored) if entry.event else None)) is not None
        ]
        numbers = await self._take_numbers(connection, Counter(session_id for session_id, _ in told))
        facts = []
        for session_id, fact in told:
            facts.append(outbox.Fact(FACTS_STREAM, str(session_id), numbers[session_id], fact))
            numbers[session_id] += 1
        await servers.update_server(connection, self.server)
        await outbox.append(connection, facts)
        for session_id in {session_id for session_id, *_ in shown}:
            await events.delete_old_events(connection, session_id)
        await events.notify(connection, {entry.session_id for entry in self.entries})

    async def _take_numbers(self, connection: Connection, counts: Mapping[UUID, int]) -> dict[UUID, int]:
        """The first sequence number for each session; the server's copy of its own stays in step."""
        first = {}
        for session_id in sorted(counts):
            count = counts[session_id]
            last = await sessions.update_event_sequence(connection, session_id, count)
            if last is None:
                # Gone with its conversation: only the server that ran in it still knows how far it came.
                left, sequence = self._left
                assert session_id == left
                last = sequence + count
            if session_id == self.server.session_id:
                self.server.event_sequence = last
            first[session_id] = last - count + 1
        return first
