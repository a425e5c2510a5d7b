"""A session's events as a stream: what was, then what comes, for any number of readers on any replica."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from cockpit.events import repository
from cockpit.events.models import STATUS_CHANGED, SessionEvent
from cockpit.servers.use_cases import get_status
from cockpit.sessions import repository as sessions
from common.notifications import Notifications
from common.postgres import Pool
from servicekit.sse import ServerEvent

REPLAYED = 50
"""Game events that a new reader gets first."""

_BATCH = 200
_POLL_SECONDS = 5.0
"""A notification can be lost with its connection; the poll finds what it told of."""


async def follow(
    pool: Pool, notifications: Notifications, session_id: UUID, after: int | None
) -> AsyncIterator[ServerEvent]:
    """``connected``, then past ``event`` s, then each new one as it commits; ends when the session is gone.

    ``after`` is the id of the last event that the reader has (``Last-Event-ID``): it gets those since.
    Without it the last 50 come first. The next batch is read when this one is taken, so that a slow reader
    costs no memory. Reading by ``id >`` the last one misses nothing: a session's ids are given out under a
    lock that is held to the commit.
    """
    async with notifications.subscribe(repository.CHANNEL, str(session_id)) as subscription:
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read"):
            session = await sessions.get_session(connection, session_id)
            if session is None:
                return
            status = await get_status(connection, session)
            last = await repository.get_last_id(connection, session_id)
            past = (
                await repository.list_last_events(connection, session_id, REPLAYED) if after is None else ()
            )
        yield ServerEvent("connected", {"sessionId": str(session_id), **status.wire()})
        for event in past:
            yield _encode(event)
        # An id from the future was another session's, or another database's.
        cursor = last if after is None else min(after, last)
        while True:
            async with pool.acquire() as connection:
                events = await repository.list_events_after(connection, session_id, cursor, _BATCH)
                exists = bool(events) or await sessions.get_session(connection, session_id) is not None
            for event in events:
                cursor = event.id
                yield _encode(event)
            if len(events) == _BATCH:
                continue
            if not exists:
                return
            await subscription.wait(_POLL_SECONDS)


def _encode(event: SessionEvent) -> ServerEvent:
    kind = "event"
    payload: Any = event.wire()
    if event.event_name == STATUS_CHANGED:
        kind, payload = "status", {**event.meta, "createdAt": event.created_at}
    return ServerEvent(kind, payload, str(event.id))
