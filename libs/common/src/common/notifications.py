"""LISTEN/NOTIFY: one connection for each process, which wakes waiters and reconnects by itself.

A notification is a hint that saves a poll, never the only way to learn of a change. Notifications sent while
the connection is down are lost, so each reconnection wakes every waiter.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from common.connecting import connect
from common.errors import is_transient
from common.postgres import Connection
from common.settings import StoreSettings

if TYPE_CHECKING:
    import asyncpg

log = structlog.get_logger()

ANSWER_SECONDS = 5.0
"""A connection that doesn't answer for this long is replaced."""


PING = "SELECT 1"
"""Detects a half-open connection, which reports nothing by itself."""
NOTIFY = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"


async def notify(connection: Connection, channel: str, payloads: Sequence[str] = ("",)) -> None:
    """Wake the waiters of ``channel``, once the caller's transaction has committed."""
    await connection.execute(NOTIFY, channel, payloads)


class Notifications:
    """Wakes the waiters of a channel, or of one payload of a channel."""

    def __init__(self, settings: StoreSettings) -> None:
        self._url = settings.database_url
        self._application = f"takaro-{settings.service}-listen"
        self._waiters: dict[tuple[str, str | None], set[asyncio.Event]] = defaultdict(set)
        self._hearers: dict[str, set[Callable[[str | None], None]]] = defaultdict(set)
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._using = asyncio.Lock()  # a connection runs one statement at a time and refuses a second
        self._wanted: set[str] = set()
        self._heard: set[str] = set()

    def subscribe(self, channel: str, payload: str | None = None) -> "Subscription":
        """A subscription to ``channel``; ``payload`` narrows it to notifications with that payload."""
        return Subscription(self, channel, payload)

    @asynccontextmanager
    async def heard(self, channel: str, hear: Callable[[str | None], None]) -> AsyncIterator[None]:
        """Call ``hear`` with the payload of each notification of ``channel`` until the block ends; with
        ``None`` when some may have been lost."""
        event = asyncio.Event()  # only counts the channel in
        self._hearers[channel].add(hear)
        try:
            await self._add(channel, None, event)
            try:
                yield
            finally:
                self._remove(channel, None, event)
        finally:
            self._hearers[channel].discard(hear)

    async def run(self) -> None:
        """Keep the connection open until cancelled."""
        while True:
            try:
                await self._listen()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("notifications interrupted", error=repr(error))
            await asyncio.sleep(0.5)

    async def _listen(self) -> None:
        connection = await connect(self._url, application=self._application, command_timeout=ANSWER_SECONDS)
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        try:
            self._connection, self._heard = connection, set()
            await self._hear()
            self._wake_all()
            while not closed.is_set():
                try:
                    await asyncio.wait_for(closed.wait(), 10)
                except TimeoutError:
                    async with self._using:
                        await connection.execute(PING)
        finally:
            self._connection = None
            connection.terminate()

    async def _hear(self) -> None:
        """LISTEN to channels that are wanted and not yet active. A channel is active once LISTEN has
        succeeded.

        If it fails, the connection is replaced; the next one starts with every wanted channel.
        """
        async with self._using:
            connection, heard = self._connection, self._heard
            if connection is None:
                return
            try:
                for channel in sorted(self._wanted - heard):
                    await connection.add_listener(channel, self._on_notification)
                    heard.add(channel)
            except Exception:
                connection.terminate()
                raise

    def _on_notification(self, _: object, __: int, channel: str, payload: object) -> None:
        for key in ((channel, None), (channel, str(payload))):
            for event in self._waiters.get(key, ()):
                event.set()
        for hear in self._hearers.get(channel, ()):
            hear(str(payload))

    def _wake_all(self) -> None:
        for hearers in self._hearers.values():
            for hear in hearers:
                hear(None)
        for events in self._waiters.values():
            for event in events:
                event.set()

    async def _add(self, channel: str, payload: str | None, event: asyncio.Event) -> None:
        self._waiters[channel, payload].add(event)
        self._wanted.add(channel)
        if channel in self._heard:
            return
        try:
            await self._hear()
        except BaseException as error:
            if is_transient(error):
                log.warning("not listening yet", channel=channel, error=repr(error))
                return
            self._remove(channel, payload, event)
            raise

    def _remove(self, channel: str, payload: str | None, event: asyncio.Event) -> None:
        events = self._waiters[channel, payload]
        events.discard(event)
        if not events:
            del self._waiters[channel, payload]


class Subscription:
    """Async context manager. ``await subscription.wait(timeout)`` ends at a notification or the timeout."""

    def __init__(self, owner: Notifications, channel: str, payload: str | None) -> None:
        self._owner, self._channel, self._payload = owner, channel, payload
        self._event = asyncio.Event()

    async def __aenter__(self) -> "Subscription":
        await self._owner._add(self._channel, self._payload, self._event)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._owner._remove(self._channel, self._payload, self._event)

    async def wait(self, timeout_seconds: float) -> bool:
        """Whether there was a notification since the last call. Waits up to ``timeout_seconds`` for one."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout_seconds)
        except TimeoutError:
            return False
        finally:
            self._event.clear()
        return True
