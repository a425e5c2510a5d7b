"""A runtime: announces its agents, takes their turns, and lets them be answered."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from socket import gethostname
from typing import TypeAlias

from contracts.chat import AnnounceAgent, AnnounceTool
from takaro_agent_client.async_client import AsyncClient
from takaro_agent_client.errors import ConnectionFailed
from takaro_agent_client.events import outgoing
from takaro_agent_client.models import TakenTurn
from takaro_agent_client.runtime.buses import Bus
from takaro_agent_client.runtime.cancelling import cancel
from takaro_agent_client.runtime.choosing import waiting
from takaro_agent_client.runtime.taking import take
from takaro_agent_client.runtime.turn import Turn
from takaro_agent_client.runtime.working import work

log = logging.getLogger(__name__)

Answer: TypeAlias = Callable[[Turn], Awaitable[object]]
ANNOUNCEMENTS = 3
"""Within the time that an announcement counts for."""
RETRY_SECONDS = 1.0


class Runtime:
    """Serves agents: ``answer`` is called with each turn, at most ``max_turns`` of them at once.

    An ``answer`` shows pieces and returns; an exception fails its turn. It is cancelled when its turn is.
    A turn is held for ``ttl_seconds``, and renewed three times within: so long after this process died,
    another one, or this one again, goes on. ``client`` needs credentials of the scope ``agent``, and a
    connection for each turn.
    """

    def __init__(
        self,
        client: AsyncClient,
        bus: Bus,
        agents: Sequence[AnnounceAgent],
        answer: Answer,
        *,
        tools: Sequence[AnnounceTool] = (),
        name: str | None = None,
        max_turns: int = 10,
        ttl_seconds: int = 30,
        stop_seconds: float = 10.0,
    ) -> None:
        """``name`` is the source of the announcements, by default the machine's name; ``stop_seconds`` are
        for running turns to end at a stop, before they are given to others."""
        self._client, self._bus, self._agents, self._answer = client, bus, agents, answer
        self._announcements: list[AnnounceAgent | AnnounceTool] = [*agents, *tools]
        self._name = name or gethostname()
        self._ttl_seconds, self._stop_seconds = ttl_seconds, stop_seconds
        self._slots = asyncio.Semaphore(max_turns)
        self._working: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take no more turns; :meth:`run` returns when those that run have ended, or were given to others."""
        self._stopping.set()

    async def run(self, *, signals: Iterable[signal.Signals] = ()) -> None:
        """Serve until :meth:`stop`, or one of these signals."""
        loop, signals = asyncio.get_running_loop(), tuple(signals)
        for each in signals:
            loop.add_signal_handler(each, self.stop)
        tasks = [
            asyncio.create_task(each) for each in (self._announce(), self._follow(), self._stopping.wait())
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await cancel(tasks)
            await self._hand_over()
            for each in signals:
                loop.remove_signal_handler(each)

    async def _announce(self) -> None:
        pause = min(each.ttl_seconds for each in self._announcements) / ANNOUNCEMENTS
        while True:
            try:
                await self._bus.publish([outgoing(each, source=self._name) for each in self._announcements])
            except ConnectionFailed as error:
                log.warning("agents aren't announced, trying again: %s", error)
                await asyncio.sleep(min(RETRY_SECONDS, pause))
            else:
                await asyncio.sleep(pause)

    async def _follow(self) -> None:
        async with aclosing(self._bus.facts()) as facts:
            async for fact in facts:
                asked = None if fact is None else waiting(fact, self._agents)
                if asked is None:
                    continue
                await self._slots.acquire()
                taken = None
                try:
                    taken = await take(self._client, asked, self._agents, self._ttl_seconds)
                finally:
                    if taken is None:
                        self._slots.release()
                if taken is not None:
                    self._begin(taken)

    def _begin(self, taken: TakenTurn) -> None:
        task = asyncio.create_task(work(self._client, taken, self._ttl_seconds, self._answer))
        self._working.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._working.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a turn broke off", exc_info=error)

    async def _hand_over(self) -> None:
        """Let running turns end, and give away those that don't."""
        if self._working:
            await asyncio.wait(self._working, timeout=self._stop_seconds)
        await cancel(self._working)
