"""Slots: how many syncs work at once. A sync that only waits for a silent site lends its slot meanwhile.

So a base whose source or embedder is down delays no other base. The number of waiting syncs is limited for
each site: once ``MOST_WAITING`` syncs wait for it, further ones that need it are put back.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

from knowledge.waiting.later import Later

SILENCE_SECONDS = 0.5
"""A sync that got no answer for this long, from any of its sites, lends its slot to others."""

MOST_WAITING = 4
EMBEDDER = "the embedder"
"""The site that all bases share."""


class SiteSilent(Later):
    """The maximum number of syncs already waits for a site that doesn't answer."""

    default_code = "site_silent"


class Slots:
    """``count`` slots, assigned in the order of requests."""

    def __init__(self, count: int, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self.silence_seconds = silence_seconds
        self.waiting: Counter[str] = Counter()
        self._free = asyncio.Semaphore(count)

    async def one_is_free(self) -> None:
        """Return once there is a free slot that nobody waits for."""
        async with self._free:
            pass

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Hold a slot in the body, and in the tasks that it starts, except while a site is silent."""
        slot = _Slot(self)
        await slot.take()
        before = _current.set(slot)
        try:
            yield
        finally:
            _current.reset(before)
            slot.end()

    async def take(self) -> None:
        """Wait for a slot and hold it."""
        await self._free.acquire()

    def give(self) -> None:
        """Release a slot."""
        self._free.release()


class _Slot:
    """One sync's share of :class:`Slots`: a slot, or a place among those that wait for its sites."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._held = self._ended = False
        self._taking = asyncio.Lock()
        self._under_way: Counter[str] = Counter()
        self._waits_for: tuple[str, ...] = ()
        self._admitted: set[str] = set()
        self._last_answer = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def take(self) -> None:
        """Wait for a slot and hold it."""
        async with self._taking:
            if self._held or self._ended:
                return
            await self._slots.take()
            self._held = True
        if self._ended:  # ended while it waited
            self._give()

    def end(self) -> None:
        self._ended = True
        self._stop_waiting()
        if self._held:
            self._give()

    def admit(self, site: str) -> None:
        if site in self._admitted:
            return
        if self._slots.waiting[site] >= MOST_WAITING:
            raise SiteSilent(f"waits for {site}, which doesn't answer {MOST_WAITING} other syncs")
        self._admitted.add(site)

    @asynccontextmanager
    async def wait_for(self, site: str) -> AsyncIterator[None]:
        self.admit(site)
        if not self._under_way.total():
            self._last_answer = _now()
        self._under_way[site] += 1
        self._listen()
        try:
            yield
        finally:
            self._under_way[site] -= 1
        # Only an answer leads back to a slot. A failed call is repeated or ends the sync, and neither needs
        # one.
        self._last_answer = _now()
        self._stop_waiting()
        await self.take()
        self._listen()

    def _listen(self) -> None:
        if self._timer is None and self._held and self._under_way.total():
            delay = self._last_answer + self._slots.silence_seconds - _now()
            self._timer = asyncio.get_running_loop().call_later(max(delay, 0), self._heard_nothing)

    def _heard_nothing(self) -> None:
        self._timer = None
        if not self._held or not self._under_way.total():
            return
        if _now() - self._last_answer < self._slots.silence_seconds:
            self._listen()
            return
        self._waits_for = tuple(site for site, calls in self._under_way.items() if calls)
        self._slots.waiting.update(self._waits_for)
        self._give()

    def _stop_waiting(self) -> None:
        self._slots.waiting.subtract(self._waits_for)
        self._slots.waiting += Counter()  # forget the sites that nobody waits for
        self._waits_for = ()

    def _give(self) -> None:
        self._held = False
        self._slots.give()


_current: ContextVar[_Slot | None] = ContextVar("slot", default=None)


def admit(site: str) -> None:
    """Raises :class:`SiteSilent` in a sync that would have to wait behind too many others for ``site``."""
    if slot := _current.get():
        slot.admit(site)


@asynccontextmanager
async def waiting_for(site: str) -> AsyncIterator[None]:
    """The body waits for an answer of ``site``, or for the end of a pause it asked for. Raises
    :class:`SiteSilent` as :func:`admit` does."""
    slot = _current.get()
    if slot is None:
        yield
        return
    async with slot.wait_for(site):
        yield


def _now() -> float:
    return asyncio.get_running_loop().time()
