"""One reader of a process for all its open streams, however many they are."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import Any

import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone.events import RawEntry
from backbone.tail import Tail
from chat.live.recent_facts import RecentFacts
from chat.live.records import LiveFact
from common import codec
from common.errors import DependencyAway
from contracts import chat as contracts

log = structlog.get_logger()

READ_BACK = 10_000
"""So many entries before now are read first, for those who were connected to a process that is gone."""
LINGER_SECONDS = 60.0
"""Reading goes on for so long after the last stream has ended: a page that is loaded again comes back."""
PATIENCE_SECONDS = 5.0


class LiveFacts:
    """Reads ``chat.events`` while somebody follows, and wakes those whose conversation a fact is about."""

    def __init__(self, open_tail: Callable[[], AbstractAsyncContextManager[Tail]], most_bytes: int) -> None:
        self._open_tail = open_tail
        self._recent = RecentFacts(most_bytes)
        self._followers: dict[str, set[asyncio.Event]] = {}
        self._wanted, self._reading = asyncio.Event(), asyncio.Event()
        self._tail: Tail | None = None
        self._turn = asyncio.Event()

    async def run(self) -> None:
        """Read whenever somebody follows, until cancelled. Raises the error of a bus that is away; what was
        read before stays, and reading begins again when this is called again."""
        while True:
            await self._wanted.wait()
            try:
                with suppress_instrumentation():
                    async with self._open_tail() as self._tail:
                        await self._read(self._tail)
            finally:
                self._tail = None
                self._reading.clear()
            self._wanted.clear()
            self._recent.clear()
            if self._followers:
                self._wanted.set()

    async def _read(self, tail: Tail) -> None:
        end = await tail.begin(READ_BACK)
        followed = time.monotonic()
        while True:
            if tail.has_read(end):
                self._reading.set()
            for entry in await tail.read():
                self._take(entry)
            turn, self._turn = self._turn, asyncio.Event()
            turn.set()
            now = time.monotonic()
            followed = now if self._followers else followed
            if now - followed > LINGER_SECONDS:
                return

    def _take(self, entry: RawEntry) -> None:
        fact = _fact_of(entry)
        if fact is None:
            return
        if fact.type == contracts.UserErased.type:
            with suppress(ValueError, LookupError, TypeError):
                self._recent.forget(codec.loads(fact.data)["subjects"])
        elif self._recent.add(fact):
            for follower in self._followers.get(fact.subject, ()):
                follower.set()

    @contextmanager
    def followed(self, subject: str) -> Iterator[asyncio.Event]:
        """Follow a subject until the block ends. The event is set for each new fact; its owner clears it."""
        follower = asyncio.Event()
        self._followers.setdefault(subject, set()).add(follower)
        self._wanted.set()
        try:
            yield follower
        finally:
            self._followers[subject].discard(follower)
            if not self._followers[subject]:
                del self._followers[subject]

    @property
    def is_reading(self) -> bool:
        """Whether facts come; not while the bus is away."""
        return self._reading.is_set()

    async def begun(self) -> None:
        """Wait until facts come. Raises :class:`DependencyAway` if they don't soon."""
        try:
            await asyncio.wait_for(self._reading.wait(), PATIENCE_SECONDS)
        except TimeoutError:
            raise DependencyAway("chat.events can't be read") from None

    async def caught_up(self) -> None:
        """Wait until everything was read that is published now. Raises :class:`DependencyAway`."""
        end: Any = None
        while True:
            turn, tail = self._turn, self._tail
            if tail is None or not self.is_reading:
                raise DependencyAway("chat.events can't be read")
            if end is None:
                end = await tail.end()
            if tail.has_read(end):
                return
            await asyncio.wait_for(turn.wait(), PATIENCE_SECONDS)

    def next(self, subject: str, after: int) -> LiveFact | None:
        """The first fact of a subject after this sequence, of those that are kept."""
        return self._recent.next(subject, after)

    def after(self, subject: str, sequence: int) -> Iterator[LiveFact]:
        """The facts of a subject after this sequence, of those that are kept."""
        return self._recent.after(subject, sequence)


def _fact_of(entry: RawEntry) -> LiveFact | None:
    """The numbered fact in an entry; ``None`` for anything else."""
    fields = entry[1]
    if b"\n" in fields.get(b"data", b"\n"):  # no fact of chat's; it would end the event
        return None
    try:
        return LiveFact(
            id=fields[b"id"].decode(),
            source=fields[b"source"].decode(),
            type=fields[b"type"].decode(),
            subject=fields[b"subject"].decode(),
            time=fields[b"time"].decode(),
            sequence=int(fields[b"sequence"]),
            data=fields[b"data"],
        )
    except (LookupError, ValueError):
        return None
