"""Answers the requests that Takaro makes over one socket, several at a time."""

import asyncio
from types import TracebackType
from typing import Self

import structlog
from prometheus_client import Counter
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from backbone.leases import Lease, LeaseLost
from cockpit.connector import protocol, use_cases
from cockpit.game.actions import ActionRefused
from cockpit.game.machine import NotRunning
from cockpit.servers.connected import READING
from common.errors import is_transient
from common.postgres import Pool
from common.supervision import stop

log = structlog.get_logger()

REQUESTS = Counter("takaro_cockpit_requests", "Requests of Takaro's, by how they were answered", ["answer"])

AT_ONCE = 16
"""Requests of one server that are answered at once. Reading pauses while there are so many."""

ANSWER_SECONDS = 10.0


class Requests:
    """The requests of one socket that aren't answered yet."""

    __slots__ = ("_free", "_lease", "_pool", "_socket", "_tasks", "_user_id", "_writing")

    def __init__(self, pool: Pool, lease: Lease, user_id: str, socket: ClientConnection) -> None:
        self._pool, self._lease, self._user_id, self._socket = pool, lease, user_id, socket
        self._tasks: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(AT_ONCE)
        # Changes of one game wait for each other in the database anyway; there, each would hold a connection
        # and the lease.
        self._writing = asyncio.Lock()

    @property
    def open(self) -> int:
        """How many are being answered."""
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop(*self._tasks, patience_seconds=5)

    async def take(self, request: protocol.Frame) -> None:
        """Answer a request in the background."""
        await self._free.acquire()
        task = asyncio.create_task(self._answer(request))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._free.release()

    async def _answer(self, request: protocol.Frame) -> None:
        assert request.request_id is not None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                frame = protocol.response_frame(request.request_id, await self._perform(request))
            outcome = "response"
        except (ActionRefused, NotRunning, protocol.BadArguments) as error:
            frame, outcome = protocol.error_frame(request.request_id, str(error)), "error"
        except LeaseLost:
            return
        except TimeoutError:
            message = f"Not answered within {ANSWER_SECONDS:g} seconds"
            frame, outcome = protocol.error_frame(request.request_id, message), "timeout"
        except Exception as error:
            if is_transient(error):
                log.warning("request of Takaro's not answered", user_id=self._user_id, error=repr(error))
            else:
                log.exception("request of Takaro's failed", user_id=self._user_id)
            frame, outcome = protocol.error_frame(request.request_id, "Internal error"), "failure"
        REQUESTS.labels(outcome).inc()
        try:
            await self._socket.send(frame)
        except ConnectionClosed:
            log.info("an answer came too late for its socket", user_id=self._user_id)

    async def _perform(self, request: protocol.Frame) -> object:
        action, args = protocol.read_request(request)
        if action in READING:
            return await use_cases.answer(self._pool, self._lease, self._user_id, action, args)
        async with self._writing:
            return await use_cases.answer(self._pool, self._lease, self._user_id, action, args)
