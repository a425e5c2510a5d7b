"""Answers that wait: plain functions, each in a thread of its own."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import wraps
from threading import Lock
from typing import Any, TypeVar

from takaro_agent_client.models import Message, TakenTurn
from takaro_agent_client.operations.messages import NewMessage
from takaro_agent_client.runtime.lease import TurnOver
from takaro_agent_client.runtime.turn import Turn

T = TypeVar("T")


class WaitingTurn:
    """A :class:`Turn` for code that waits: the same methods, without ``await``. When the turn is over, the
    next one raises :class:`TurnOver`; a long piece of work looks at ``over``."""

    def __init__(self, turn: Turn, loop: asyncio.AbstractEventLoop) -> None:
        self._turn, self._loop = turn, loop
        self._lock = Lock()
        self._running: Future[Any] | None = None
        self._left = False

    @property
    def taken(self) -> TakenTurn:
        """As :attr:`Turn.taken`."""
        return self._turn.taken

    @property
    def history(self) -> list[Message]:
        """As :attr:`Turn.history`."""
        return self._turn.history

    @property
    def state(self) -> dict[str, Any]:
        """As :attr:`Turn.state`."""
        return self._turn.state

    @property
    def question(self) -> str:
        """As :attr:`Turn.question`."""
        return self._turn.question

    @property
    def over(self) -> str | None:
        """``cancelled``, ``lost``, or ``given back`` when the runtime stops; ``None`` while the turn runs."""
        return self._turn.over or ("given back" if self._left else None)

    def text(self, content: str, *, message_id: str | None = None) -> None:
        """As :meth:`Turn.text`."""
        self._wait(self._turn.text(content, message_id=message_id))

    def tool_use(self, name: str, given: Mapping[str, Any], **more: Any) -> str:
        """As :meth:`Turn.tool_use`."""
        return self._wait(self._turn.tool_use(name, given, **more))

    def tool_result(self, id: str, name: str, **more: Any) -> None:
        """As :meth:`Turn.tool_result`."""
        self._wait(self._turn.tool_result(id, name, **more))

    def append(self, *new: NewMessage) -> list[Message]:
        """As :meth:`Turn.append`."""
        return self._wait(self._turn.append(*new))

    def ask(self, tool: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """As :meth:`Turn.ask`."""
        return self._wait(self._turn.ask(tool, given))

    def used(self, **usage: Any) -> None:
        """As :meth:`Turn.used`."""
        self._turn.used(**usage)

    def flush(self) -> None:
        """As :meth:`Turn.flush`."""
        self._wait(self._turn.flush())

    def leave(self) -> None:
        """Nothing waits any more, now or later."""
        with self._lock:
            self._left = True
            if self._running is not None:
                self._running.cancel()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._left:
                work.close()
                raise TurnOver(self.over or "given back")
            waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
            self._running = waiting
        try:
            return waiting.result()
        except CancelledError:
            raise TurnOver(self.over or "given back") from None


def in_thread(answer: Callable[[WaitingTurn], object]) -> Callable[[Turn], Coroutine[Any, Any, None]]:
    """``answer`` as :class:`Runtime` takes it. It is called in a thread, and its end is waited for, also when
    its turn is over."""

    @wraps(answer)
    async def answered(turn: Turn) -> None:
        loop = asyncio.get_running_loop()
        waiting = WaitingTurn(turn, loop)
        # Not one of the loop's few: while answers wait in all of them, no address could be looked up.
        own = ThreadPoolExecutor(1, thread_name_prefix="answer")
        thread = loop.run_in_executor(own, copy_context().run, answer, waiting)
        own.shutdown(wait=False)
        try:
            await asyncio.shield(thread)
        except asyncio.CancelledError:
            waiting.leave()
            while not thread.done():
                try:
                    await asyncio.wait({thread})
                except asyncio.CancelledError:  # again, as cancelling does until this ends
                    continue
            if not thread.cancelled():
                thread.exception()  # whatever it was, the turn is over
            raise

    return answered
