"""The processes that read files, and whose turn it is.

A file that takes too much is refused, once: its process is killed, and the next one is started when it is
needed. A process that ends for another reason (the kernel's or somebody's SIGKILL) costs its file nothing: it
is read once more by a new one.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import structlog

from common import codec
from common.errors import PermanentError, TransientError
from knowledge.documents import UnsupportedContent
from knowledge.readers.limits import ReaderLimits
from knowledge.readers.process import AnswerTooLarge, ReaderEnded, ReaderProcess
from knowledge.readers.program import MEMORY

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")

FILES_A_PROCESS = 1000
"""Then it is replaced: what a parser leaks, it leaks for so long."""

SLOW_SECONDS = 1.0
"""Of CPU: with a file that takes more, a sync is one of those that share all processes but one. If these are
busy, the file gives way, and is begun again when it is its turn."""

ATTEMPTS = 2


class GaveWay(Exception):
    """A file that takes long left its process to others."""


@dataclass(slots=True)
class Turn:
    """One file's use of a process. ``timer`` looks whether it takes long."""

    session: "Session"
    is_slow: bool
    gave_way: bool = False
    timer: asyncio.TimerHandle | None = None


class Readers:
    """A pool of processes. They start when they are needed and end with :meth:`close`, or with the service.

    One sync never has all of them, and all syncs with slow files together leave one to the others; among
    those that wait, the one that has used the least CPU goes first.
    """

    def __init__(self, limits: ReaderLimits | None = None) -> None:
        self.limits = limits or ReaderLimits()
        self._most = max(1, self.limits.processes - 1)
        self._running = self._slow = 0
        self._waiting: list[tuple[Session, asyncio.Future[None]]] = []
        self._processes: set[ReaderProcess] = set()
        self._idle: list[ReaderProcess] = []
        self._ending: set[asyncio.Task[Any]] = set()
        self._closed = False

    def session(self) -> "Session":
        """What one sync reads with."""
        return Session(self)

    async def close(self) -> None:
        """End all processes. Whoever waits for one gets a ``TransientError``."""
        self._closed = True
        self._idle.clear()
        for process in list(self._processes):
            self._end(process)
        await asyncio.gather(*self._ending)

    async def _ask(self, session: "Session", request: bytes, content: bytes) -> dict[str, Any]:
        """A process's answer. Raises ``UnsupportedContent`` for a limit, :class:`GaveWay`, and
        :class:`ReaderEnded`."""
        limits = self.limits
        async with self._process(session) as (process, turn):
            self._look_at(turn, process, process.cpu_seconds(), SLOW_SECONDS)
            try:
                async with asyncio.timeout(limits.seconds):
                    answer = await process.ask(request, content, limits.answer_bytes)
            except TimeoutError:
                session.spend(limits.seconds)
                raise ReaderEnded(None) from None
            except ReaderEnded as ended:
                if turn.gave_way:
                    session.spend(SLOW_SECONDS)
                    raise GaveWay from None
                if ended.code != -signal.SIGXCPU:
                    raise
                session.spend(limits.cpu_seconds)
                raise UnsupportedContent(
                    f"reading it takes more than {limits.cpu_seconds} s of CPU"
                ) from ended
            except AnswerTooLarge as error:
                raise UnsupportedContent(
                    f"reading it yields more than {limits.answer_bytes // 2**20} MB"
                ) from error
            finally:
                if turn.timer is not None:
                    turn.timer.cancel()
            session.spend(answer["cpu"])
            if answer.get("error") == MEMORY:
                raise UnsupportedContent(
                    f"reading it takes more than {limits.memory_bytes // 2**20} MB of memory"
                )
            replaced = answer["retire"] or turn.gave_way or process.files >= FILES_A_PROCESS
            if not (replaced or self._closed):
                self._idle.append(process)
            return answer

    @asynccontextmanager
    async def _process(self, session: "Session") -> AsyncIterator[tuple[ReaderProcess, Turn]]:
        """One that is ours alone; it ends afterwards, unless it is among the idle ones by then."""
        turn = await self._take_turn(session)
        process: ReaderProcess | None = None
        try:
            process = self._take_idle() or await self._start()
            yield process, turn
        finally:
            if process is not None and process not in self._idle:
                self._end(process)
            self._give_turn(turn)

    def _look_at(self, turn: Turn, process: ReaderProcess, before: float, left: float) -> None:
        """If the file takes long, it is one of the slow ones from now on, if there is room among them.

        ``before``: what the process had used when the file was begun; ``left``: how much more it may use. On
        a busy machine that takes longer by the clock.
        """
        if left > 0:

            def look() -> None:
                used = process.cpu_seconds() - before
                self._look_at(turn, process, before, SLOW_SECONDS - used)

            turn.timer = asyncio.get_running_loop().call_later(left, look)
            return
        turn.session.is_slow = True
        if turn.is_slow:
            return
        if self._slow < self._most:
            turn.is_slow = True
            self._slow += 1
        else:
            turn.gave_way = True
            process.kill()

    def _take_idle(self) -> ReaderProcess | None:
        """One that is warm, if there is one. What somebody killed meanwhile costs no file an attempt."""
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            self._end(process)
        return None

    async def _start(self) -> ReaderProcess:
        """A new one. Raises ``TransientError`` when it doesn't start, twice."""
        for attempt in range(1, ATTEMPTS + 1):
            if self._closed:
                break
            process = ReaderProcess(self.limits)
            self._processes.add(process)
            try:
                await process.ready()
            except TransientError:
                self._end(process)
                if attempt == ATTEMPTS:
                    raise
            except BaseException:
                self._end(process)
                raise
            else:
                return process
        raise TransientError("the service stops")

    def _end(self, process: ReaderProcess) -> None:
        process.kill()
        self._processes.discard(process)
        ending = asyncio.create_task(process.wait())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _take_turn(self, session: "Session") -> Turn:
        """Wait for it."""
        while not self._may_run(session):
            freed = asyncio.get_running_loop().create_future()
            self._waiting.append((session, freed))
            await freed
        turn = Turn(session, session.is_slow)
        self._running += 1
        self._slow += turn.is_slow
        session.running += 1
        return turn

    def _may_run(self, session: "Session") -> bool:
        return (
            self._running < self.limits.processes
            and session.running < self._most
            and not (session.is_slow and self._slow >= self._most)
        )

    def _give_turn(self, turn: Turn) -> None:
        self._running -= 1
        self._slow -= turn.is_slow
        turn.session.running -= 1
        waiting, self._waiting = self._waiting, []
        for _, freed in sorted(waiting, key=lambda one: one[0].spent):
            if not freed.done():
                freed.set_result(None)


class Session:
    """The reading of one sync."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self.running = 0
        self.spent = 0.0
        self.is_slow = False

    async def run(
        self, task: Callable[Concatenate[bytes, P], T], content: bytes, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """``task(content, *args)`` in another process. It is a function of a module, from and to what JSON
        can hold.

        Raises what it raises of ``PermanentError`` and ``TransientError``, and ``UnsupportedContent`` for
        all else, the limits too: the same content is refused every time.
        """
        name = f"{task.__module__}:{task.__name__}"
        request = codec.dumps({"task": name, "arguments": args, "named": kwargs})
        attempts, reason = 0, ""
        while attempts < ATTEMPTS:
            try:
                answer = await self._readers._ask(self, request, content)
            except GaveWay:
                continue
            except ReaderEnded as ended:
                self.is_slow = True
                attempts, reason = attempts + 1, str(ended)
                log.warning("a process that reads files ended", task=name, attempt=attempts, reason=reason)
                continue
            if "error" in answer:
                raise _error(answer)
            return cast("T", answer["value"])
        raise UnsupportedContent(f"it can't be read: {reason}, twice")

    def spend(self, seconds: float) -> None:
        """Count the seconds that one file took, of CPU where they are known."""
        self.spent += seconds
        self.is_slow = self.is_slow or seconds > SLOW_SECONDS


def _error(answer: dict[str, Any]) -> Exception:
    kind, reason, code = answer["error"], answer["reason"], answer["code"]
    if kind == "PermanentError":
        return PermanentError(reason, code=code)
    if kind == "TransientError":
        return TransientError(reason, code=code)
    return UnsupportedContent(reason)
