"""One mock server's connection to Takaro: opened, identified, served, opened again.

It runs as long as its process holds the lease and the server doesn't stop. Requests are answered at the same
time, and events are sent in order. The cursor moves past an event once the other side has answered a ping
that was sent after it. So an event that was sent into a socket that broke is sent again, and none is lost.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Counter
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException

from backbone.leases import Lease, LeaseLost
from cockpit.connector import protocol, use_cases
from cockpit.connector.records import Sent, Standing, TakaroEvent
from cockpit.connector.requests import Requests
from cockpit.connector.socket import OPEN_SECONDS, close_socket, open_socket
from cockpit.game.roster import identity_token
from cockpit.settings import ConnectionLimits
from common import backoff
from common.errors import is_transient
from common.postgres import Pool
from common.supervision import stop

log = structlog.get_logger()

SENT = Counter("takaro_cockpit_takaro_events_sent", "Events that were sent to Takaro")
OPENED = Counter("takaro_cockpit_connections_opened", "Connections that Takaro named")
FRAMES_IGNORED = Counter("takaro_cockpit_frames_ignored", "Frames of Takaro's that aren't of the protocol")

DRAIN_SECONDS = 3.0
"""How long a stop waits for answers and events that are still on their way."""

_DRAIN_STEP = 0.02

GROWTH = 12
"""How many times the shortest pause before a reconnection the longest one is."""

_CONNECTED = ("starting", "running")


class Refused(Exception):
    """Takaro refuses this server. The text is its reason."""


class NotNamed(Exception):
    """The other side doesn't speak as Takaro does."""


_BROKEN = (OSError, TimeoutError, WebSocketException, NotNamed)


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What all connections of a process have in common. ``token`` gives a user's registration token;
    ``dialling`` limits how many connections are opened at once."""

    url: str
    token: Callable[[str], Awaitable[str | None]]
    limits: ConnectionLimits
    reconnect_seconds: float
    heartbeat_seconds: float
    dialling: asyncio.Semaphore


class Link:
    """The connection of one server. Its holder tells it the server's standing and fills ``outgoing``."""

    __slots__ = (
        "_attempt",
        "_changed",
        "_filled",
        "_leaving",
        "_named",
        "_options",
        "_pool",
        "_since",
        "_tell",
        "_valid",
        "dirty",
        "filling",
        "lease",
        "online",
        "outgoing",
        "status",
        "through",
        "user_id",
    )

    def __init__(
        self,
        pool: Pool,
        user_id: str,
        standing: Standing,
        lease: Lease,
        options: LinkOptions,
        *,
        valid: Callable[[Lease], bool],
        tell: Callable[["Link", Sent | None], None],
    ) -> None:
        """``valid`` says whether the lease can still be this process's; ``tell`` gets what Takaro has, or
        None when this connection is ready for events."""
        self._pool, self.user_id, self.lease, self._options = pool, user_id, lease, options
        self._valid, self._tell = valid, tell
        self.status, self._since = standing.status, time.monotonic() - standing.age.total_seconds()
        self.online, self.dirty, self.through = False, True, 0
        self.filling = False
        self.outgoing: list[TakaroEvent] = []
        self._changed, self._filled = asyncio.Event(), asyncio.Event()
        self._attempt, self._named = 0, ""
        self._leaving = False

    def stand(self, standing: Standing | None) -> None:
        """Note the server's standing; None: it no longer exists."""
        status = standing.status if standing else "stopped"
        if standing:
            self._since = time.monotonic() - standing.age.total_seconds()
        # One that started again while its socket is open is told its name once more.
        if status != self.status or (status == "starting" and self.online):
            self.status = status
            self._changed.set()

    def fill(self, events: list[TakaroEvent]) -> None:
        """Give it the next events to send."""
        self.outgoing = events
        self._filled.set()

    def let_go(self) -> None:
        """Close the socket once Takaro has what is being sent: the process stops."""
        self._leaving = True
        self._changed.set()

    async def run(self) -> None:
        """Keep the server connected until it stops, is refused, or the lease is lost."""
        while not (self.lease.lost.is_set() or self._leaving):
            try:
                if self.status not in _CONNECTED:
                    await use_cases.note_closed(self._pool, self.lease, self.user_id)
                    return
                if await self._try_once():
                    return
            except LeaseLost:
                return
            except Exception as error:
                if not is_transient(error):
                    log.exception("connection to Takaro failed", user_id=self.user_id)
            await self._pause()

    async def _try_once(self) -> bool:
        """Open the socket and serve it. Returns whether the server has failed for good."""
        self._attempt += 1
        try:
            if self._valid(self.lease):
                await self._connect()
            return False
        except Refused as refusal:
            problem = str(refusal)
            log.warning("Takaro refused a game server", user_id=self.user_id, reason=problem)
        except InvalidURI:
            problem = "The address of Takaro's connector can't be used"
        except _BROKEN as error:
            log.info("connection to Takaro lost", user_id=self.user_id, error=_describe(error))
            seconds = self._options.limits.start.total_seconds()
            if self.status != "starting" or time.monotonic() - self._since < seconds:
                return False
            problem = f"Takaro named no game server within {seconds:g} seconds: {_describe(error)}"
        await use_cases.note_failed(self._pool, self.lease, self.user_id, problem)
        return True

    async def _pause(self) -> None:
        """Wait until the next attempt, or until the server's status changes or the lease is lost."""
        if self.status not in _CONNECTED or self.lease.lost.is_set() or self._leaving:
            return
        first = self._options.reconnect_seconds
        pause = backoff.pause(max(self._attempt, 1), first=2 * first, longest=GROWTH * first)
        self._changed.clear()
        await self._any(asyncio.sleep(pause), self._changed.wait(), self.lease.lost.wait())

    async def _connect(self) -> None:
        options = self._options
        token = await options.token(self.user_id)
        if token is None:
            raise Refused("There is no registration token for this user's domain")
        async with options.dialling:
            socket = await open_socket(
                options.url, options.heartbeat_seconds, lambda: self._valid(self.lease)
            )
        try:
            await self._any(self._serve(socket, token), self.lease.lost.wait())
        finally:
            self.online, self.outgoing, self.dirty = False, [], True
            await close_socket(socket)

    async def _serve(self, socket: ClientConnection, token: str) -> None:
        self._named = await self._identify(socket, token)
        await use_cases.note_named(self._pool, self.lease, self.user_id, self._named)
        OPENED.inc()
        self._attempt = 0
        self._filled.clear()
        if not self._leaving:
            self._changed.clear()
        self.online, self.dirty = True, True
        self._tell(self, None)
        async with Requests(self._pool, self.lease, self.user_id, socket) as requests:
            await self._any(self._read(socket, requests, token), self._send(socket), self._watch(requests))

    async def _identify(self, socket: ClientConnection, token: str) -> str:
        async with asyncio.timeout(OPEN_SECONDS):
            while (await self._next(socket)).type != "connected":
                pass
        frame = protocol.identify_frame(
            identity_token(self.user_id), token, protocol.server_name(self.user_id)
        )
        await socket.send(frame)
        async with asyncio.timeout(self._options.limits.start.total_seconds()):
            while (answer := await self._next(socket)).type != "identifyResponse":
                pass
        return self._name_in(answer, token)

    async def _next(self, socket: ClientConnection) -> protocol.Frame:
        """The next frame of the protocol; pings are answered, and what isn't one is passed over."""
        while True:
            try:
                frame = protocol.read_frame(await socket.recv())
            except protocol.Malformed as error:
                FRAMES_IGNORED.inc()
                log.warning("frame of Takaro's ignored", user_id=self.user_id, error=str(error))
                continue
            if frame.type != "ping":
                return frame
            await socket.send(protocol.PONG)

    async def _read(self, socket: ClientConnection, requests: Requests, token: str) -> None:
        while True:
            frame = await self._next(socket)
            if frame.type == "request":
                await requests.take(frame)
            elif frame.type == "identifyResponse":
                self._named = self._name_in(frame, token)
                await use_cases.note_named(self._pool, self.lease, self.user_id, self._named)

    def _name_in(self, frame: protocol.Frame, token: str) -> str:
        named = protocol.named_in(frame)
        if named is not None:
            return named
        if isinstance(frame.payload, Mapping) and frame.payload.get("error"):
            raise Refused(protocol.refusal_in(frame, token))
        raise NotNamed("an identifyResponse without a gameServerId")

    async def _send(self, socket: ClientConnection) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            for each in self.outgoing:
                await socket.send(protocol.event_frame(each.event))
            SENT.inc(len(self.outgoing))
            async with asyncio.timeout(self._options.heartbeat_seconds):
                await (await socket.ping())
            self.through, self.outgoing = self.outgoing[-1].id, []
            self._tell(self, Sent(self.user_id, self.through, self.lease.name, self.lease.epoch))

    async def _watch(self, requests: Requests) -> None:
        """Until the server stops and what is on its way has arrived. A server that starts again while its
        socket is open has its name already."""
        while self.status in _CONNECTED and not self._leaving:
            await self._changed.wait()
            self._changed.clear()
            if self.status == "starting":
                await use_cases.note_named(self._pool, self.lease, self.user_id, self._named)
        for _ in range(round(DRAIN_SECONDS / _DRAIN_STEP)):
            dirty = self.dirty and not self._leaving
            if not (dirty or self.filling or self.outgoing or requests.open):
                return
            await asyncio.sleep(_DRAIN_STEP)

    @staticmethod
    async def _any(*work: Awaitable[object]) -> None:
        """Run these until one ends; raise what it raised."""
        tasks = [asyncio.ensure_future(each) for each in work]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await stop(*tasks, patience_seconds=5)
        for task in tasks:
            if not task.cancelled():
                task.result()


def _describe(error: BaseException) -> str:
    """The error in words. Why the other side closed is in its own words, which may repeat the token."""
    if isinstance(error, ConnectionClosed):
        return f"closed with code {error.rcvd.code}" if error.rcvd else "closed without a close frame"
    return str(error)[: protocol.MAX_REASON] or type(error).__name__
