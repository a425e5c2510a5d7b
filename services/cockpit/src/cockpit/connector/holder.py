"""The connections of one process: it claims servers that nobody holds, and lets go of those that stopped.

One loop renews all leases, one claims, one reads events for all connections that are ready, and one moves all
cursors. So 500 connections cost a few statements, not 500 of each.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Gauge

from backbone.lease_sets import LeaseSet
from backbone.leases import Lease
from backbone.names import CONNECTIONS_CHANNEL, TAKARO_EVENTS_CHANNEL
from cockpit.connector import repository
from cockpit.connector.link import Link, LinkOptions
from cockpit.connector.records import Sent, Wanted
from cockpit.settings import CockpitSettings
from common.errors import is_transient
from common.notifications import Notifications, notify
from common.postgres import Pool
from common.supervision import stop
from servicekit.service import Resources

log = structlog.get_logger()

CONNECTIONS = Gauge("takaro_cockpit_connections", "Servers whose connection to Takaro this process holds")

_EVENTS_AT_ONCE = 100
_CLAIM_EVERY = 1.0
_LOOK_EVERY = 5.0
"""Seconds between looks at everything, in case notifications were lost."""
_CLAIM_PAUSE = 0.05
_PUMP_PAUSE = 0.01
_MOVE_EVERY = 0.2
_LET_GO_SECONDS = 2.0
"""How long a stop waits for what is being sent."""
_DIALS_AT_ONCE = 50


async def hold_connections(
    resources: Resources, settings: CockpitSettings, token: Callable[[str], Awaitable[str | None]]
) -> None:
    """Connect servers to Takaro until cancelled. Returns at once if no address is set."""
    url = settings.connect_url()
    if url is None:
        await asyncio.Event().wait()
        return
    options = LinkOptions(
        url,
        token,
        settings.connection_limits(),
        settings.takaro_reconnect_seconds,
        settings.takaro_heartbeat_seconds,
        asyncio.Semaphore(_DIALS_AT_ONCE),
    )
    leases = LeaseSet(resources.pool, settings.instance_name, settings.lease_ttl_seconds)
    await Holder(resources.pool, leases, options, settings).run(resources.notifications)


class Holder:
    """The connections that this process holds."""

    def __init__(self, pool: Pool, leases: LeaseSet, options: LinkOptions, settings: CockpitSettings) -> None:
        self._pool, self._leases, self._options = pool, leases, options
        self._owner, self._most = settings.instance_name, settings.takaro_connections_max
        self._links: dict[str, Link] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: list[Lease] = []
        self._sent: dict[str, Sent] = {}
        self._claim_now, self._pump_now = asyncio.Event(), asyncio.Event()

    async def run(self, notifications: Notifications) -> None:
        """Hold connections until cancelled; then close them all and let others have them at once."""
        renewing = asyncio.create_task(self._leases.run())
        loops = [asyncio.create_task(loop()) for loop in (self._claim, self._pump, self._move)]
        try:
            async with (
                notifications.heard(CONNECTIONS_CHANNEL, self._hear_status),
                notifications.heard(TAKARO_EVENTS_CHANNEL, self._hear_events),
            ):
                ended, _ = await asyncio.wait({renewing, *loops}, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
        finally:
            await stop(*loops, patience_seconds=1)
            tasks = [*self._tasks.values()]
            for link in self._links.values():
                link.let_go()
            if tasks:
                await asyncio.wait(tasks, timeout=_LET_GO_SECONDS)
            await stop(*tasks, patience_seconds=5)
            await self._hand_over()
            await stop(renewing, patience_seconds=1)
            CONNECTIONS.set(0)

    async def _hand_over(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self._move_once()
                held = list(self._leases.leases.values())
                await self._leases.release(held)
                async with self._pool.acquire() as connection:
                    await notify(connection, CONNECTIONS_CHANNEL, [lease.name for lease in held])
        except Exception as error:  # noqa: BLE001 -- the process ends; the leases expire by themselves
            log.warning("connections to Takaro not handed over", error=repr(error))

    def _hear_status(self, lease: str | None) -> None:
        self._claim_now.set()
        self._hear_events(lease)

    def _hear_events(self, lease: str | None) -> None:
        heard = (
            self._links.values() if lease is None else [self._links[lease]] if lease in self._links else []
        )
        for link in heard:
            link.dirty = True
            self._pump_now.set()

    def _told(self, link: Link, sent: Sent | None) -> None:
        if sent is not None:
            self._sent[sent.user_id] = sent
        if link.dirty:
            self._pump_now.set()

    async def _claim(self) -> None:
        while True:
            try:
                await self._claim_once()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("connections to Takaro can't be claimed", error=repr(error))
            await asyncio.sleep(_CLAIM_PAUSE)
            await _heard(self._claim_now, _CLAIM_EVERY)

    async def _claim_once(self) -> None:
        ended, self._ended = self._ended, []
        await self._leases.release(ended)
        links = list(self._links.values())
        async with self._pool.acquire() as connection:
            standings = await repository.list_standings(connection, [link.user_id for link in links])
            for link in links:
                link.stand(standings.get(link.user_id))
            room = self._most - len(self._links)
            free = (
                await repository.list_free(connection, self._owner, [*self._leases.leases], room)
                if room > 0
                else []
            )
        by_lease = {wanted.lease: wanted for wanted in free}
        for lease in await self._leases.acquire(list(by_lease)):
            self._open(by_lease[lease.name], lease)
        CONNECTIONS.set(len(self._links))

    def _open(self, wanted: Wanted, lease: Lease) -> None:
        link = Link(
            self._pool,
            wanted.user_id,
            wanted.standing,
            lease,
            self._options,
            valid=self._leases.is_valid,
            tell=self._told,
        )
        self._links[lease.name] = link
        task = self._tasks[lease.name] = asyncio.create_task(link.run())
        task.add_done_callback(lambda _: self._closed(link))

    def _closed(self, link: Link) -> None:
        self._links.pop(link.lease.name, None)
        self._tasks.pop(link.lease.name, None)
        self._ended.append(link.lease)
        self._claim_now.set()

    async def _pump(self) -> None:
        """Give each connection that is ready its next events."""
        while True:
            if not await _heard(self._pump_now, _LOOK_EVERY):
                self._hear_events(None)
            ready = [
                link for link in self._links.values() if link.online and link.dirty and not link.outgoing
            ]
            for link in ready:
                link.dirty, link.filling = False, True
            try:
                await self._fill(ready)
            except Exception as error:
                for link in ready:
                    link.dirty = True
                if not is_transient(error):
                    raise
                log.warning("events for Takaro can't be read", error=repr(error))
            finally:
                for link in ready:
                    link.filling = False
            await asyncio.sleep(_PUMP_PAUSE)

    async def _fill(self, ready: list[Link]) -> None:
        if not ready:
            return
        async with self._pool.acquire() as connection:
            found = await repository.list_events(
                connection, {link.user_id: link.through for link in ready}, _EVENTS_AT_ONCE
            )
        for link in ready:
            events = found.get(link.user_id)
            if events and link.online:
                link.dirty = link.dirty or len(events) == _EVENTS_AT_ONCE
                link.fill(events)

    async def _move(self) -> None:
        while True:
            await asyncio.sleep(_MOVE_EVERY)
            try:
                await self._move_once()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("cursors of Takaro's events not moved", error=repr(error))

    async def _move_once(self) -> None:
        sent, self._sent = self._sent, {}
        if not sent:
            return
        try:
            async with self._pool.acquire() as connection:
                await repository.move_cursors(connection, [*sent.values()])
        except BaseException:
            self._sent = sent | self._sent
            raise


async def _heard(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event is set, within so many seconds. Clears it."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    finally:
        event.clear()
    return True
