"""Follows a session's events: past ones, then each new one, for any number of readers on any replica."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from backbone.names import GAME_EVENTS_CHANNEL
from cockpit.events import repository
from cockpit.events.records import SessionEvent
from cockpit.events.wire import connected, server_event
from cockpit.sessions import repository as sessions
from cockpit.sessions.records import ServerStatus
from cockpit.sessions.use_cases import status_of
from common.notifications import Notifications
from common.postgres import Pool, transaction, tried_again
from servicekit.sse import ServerEvent

REPLAYED = 50
"""Game events that a new reader receives first."""

_BATCH = 200
_POLL_SECONDS = 5.0
"""A notification can be lost with its connection; the poll finds the events that it announced."""


async def follow(
    pool: Pool, notifications: Notifications, session_id: UUID, after: int | None
) -> AsyncIterator[ServerEvent]:
    """``connected``, then past ``event`` s, then each new one as it commits. Ends when the session is
    deleted.

    ``after`` is the id of the last event that the reader has (``Last-Event-ID``); later events follow.
    Without it the last 50 come first. The next batch is read when this one has been taken, so a slow reader
    costs no memory. Reading by ``id >`` the last one misses nothing, because a session's ids are assigned
    under a lock that is held until the commit.
    """
    async with notifications.subscribe(GAME_EVENTS_CHANNEL, str(session_id)) as subscription:
        beginning = await _begin(pool, session_id, REPLAYED if after is None else 0)
        if beginning is None:
            return
        status, last, past = beginning
        yield connected(session_id, status)
        for event in past:
            yield server_event(event)
        # An id from the future belongs to another session or another database.
        cursor = last if after is None else min(after, last)
        while True:
            async with pool.acquire() as connection:
                events = await repository.list_events_after(connection, session_id, cursor, _BATCH)
                exists = bool(events) or await sessions.get_session(connection, session_id) is not None
            for event in events:
                cursor = event.id
                yield server_event(event)
            if len(events) == _BATCH:
                continue
            if not exists:
                return
            await subscription.wait(_POLL_SECONDS)


@tried_again
async def _begin(
    pool: Pool, session_id: UUID, replayed: int
) -> tuple[ServerStatus, int, Sequence[SessionEvent]] | None:
    """One moment of a session: its server's status, the id of its last event, and its last ``replayed`` game
    events. ``None`` if it doesn't exist."""
    async with transaction(pool, isolation="repeatable_read") as connection:
        session = await sessions.get_session(connection, session_id)
        if session is None:
            return None
        status = await status_of(connection, session)
        last = await repository.get_last_id(connection, session_id)
        past = await repository.list_last_events(connection, session_id, replayed) if replayed else ()
        return status, last, past
