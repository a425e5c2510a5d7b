"""What arrives while a commit is under way is committed together with the next one.

A commit costs the same for one row and for twenty: a round trip, and a wait for the disk. Under load callers
share it; a caller alone doesn't wait for others. Postgres's own ``commit_delay`` shares the wait for the
disk only.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from time import time_ns
from typing import Generic, TypeVar

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link
from prometheus_client import Histogram

from common import telemetry
from common.ambient import joined
from common.errors import is_outage
from common.postgres import Pool

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

REQUESTS = Histogram(
    "takaro_group_commit_requests",
    "Requests that one commit was shared by; 1 for a request that was alone",
    ["write"],
    buckets=(1, 2, 3, 5, 10, 20, 50, 100),
)

WRITERS = 2
"""Commits under way at once: while one waits for the disk, the next is sent."""


@dataclass(slots=True)
class _Waiting(Generic[Item, Outcome]):
    item: Item
    size: int
    outcome: "asyncio.Future[Outcome]"
    context: Context = field(default_factory=contexts.get_current)
    since: int = field(default_factory=time_ns)

    def is_sampled(self) -> bool:
        return trace.get_current_span(self.context).get_span_context().trace_flags.sampled

    def fail(self, error: BaseException) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)


class GroupCommit(Generic[Item, Outcome]):
    """Calls ``write`` with what has gathered, in the order of arrival; each caller gets its own outcome.

    ``write`` commits its items as one, or none of them. It returns their outcomes in their order. At most
    ``most_items`` and ``most_bytes`` (by ``size``) are written at once. If a write of several fails for what
    isn't an outage, each item is written alone, so that a bad one fails alone, and one that has to wait for a
    lock waits alone.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Pool, Sequence[Item]], Awaitable[Sequence[Outcome]]],
        *,
        size: Callable[[Item], int] = lambda _: 0,
        most_items: int = 100,
        most_bytes: int = 4_000_000,
    ) -> None:
        self._name, self._write, self._size = name, write, size
        self._most_items, self._most_bytes = most_items, most_bytes
        self._requests = REQUESTS.labels(name)
        self._waiting: deque[_Waiting[Item, Outcome]] = deque()
        self._writers: set[asyncio.Task[None]] = set()
        self._alone: set[asyncio.Task[None]] = set()

    async def __call__(self, pool: Pool, item: Item) -> Outcome:
        """Write ``item`` with others of the same ``pool``. Raises what ``write`` raised for it.

        Whoever gives up waiting doesn't take the item back: it may be written already. Inside a transaction
        of the caller's (:mod:`common.ambient`) it is written there, alone.
        """
        if joined(pool) is not None:
            [outcome] = await self._write(pool, [item])
            self._requests.observe(1)
            return outcome
        waiting: _Waiting[Item, Outcome] = _Waiting(
            item, self._size(item), asyncio.get_running_loop().create_future()
        )
        self._waiting.append(waiting)
        if len(self._writers) < WRITERS:
            self._start(self._work(pool), self._writers)
        return await waiting.outcome

    def _start(self, work: Coroutine[None, None, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work, name=self._name)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _work(self, pool: Pool) -> None:
        while group := self._next_group():
            # The statement belongs to one request's trace; the spans of the others link to it.
            leader = next((each for each in group if each.is_sampled()), group[0])
            token = contexts.attach(leader.context)
            try:
                await self._commit(pool, group)
            finally:
                contexts.detach(token)
                _record(self._name, group, leader)

    def _next_group(self) -> "list[_Waiting[Item, Outcome]]":
        group: list[_Waiting[Item, Outcome]] = []
        total = 0
        while self._waiting and len(group) < self._most_items:
            total += self._waiting[0].size
            if group and total > self._most_bytes:
                break
            group.append(self._waiting.popleft())
        return group

    async def _commit(self, pool: Pool, group: "Sequence[_Waiting[Item, Outcome]]") -> None:
        try:
            outcomes = await self._write(pool, [each.item for each in group])
            self._requests.observe(len(group))
        except asyncio.CancelledError as error:
            for each in group:
                each.fail(error)
            raise
        except Exception as error:  # noqa: BLE001 - each caller gets it
            if len(group) == 1 or is_outage(error):
                for each in group:
                    each.fail(error)
                return
            for each in group:  # not waited for: others must not wait for the slowest of these
                self._start(self._commit(pool, [each]), self._alone)
            return
        for each, outcome in zip(group, outcomes, strict=True):
            if not each.outcome.done():
                each.outcome.set_result(outcome)


def _record(name: str, group: "Sequence[_Waiting[Item, Outcome]]", leader: "_Waiting[Item, Outcome]") -> None:
    """A span in the trace of each sampled request of a group but the leader's, which has the statement's."""
    if len(group) == 1:
        return
    link = Link(trace.get_current_span(leader.context).get_span_context())
    for each in group:
        if each is not leader and each.is_sampled():
            telemetry.tracer().start_span(
                f"{name} together",
                each.context,
                attributes={"takaro.group.size": len(group)},
                links=[link],
                start_time=each.since,
            ).end()
