"""Collects what is read while a batch is handled into one next batch, however many reads it took."""

import asyncio
from collections.abc import Sequence

from backbone.validation import Item


class Handover:
    """Holds up to ``limit`` entries, of ``budget`` bytes, between one reader and one handler."""

    def __init__(self, limit: int, budget: int) -> None:
        self._limit, self._budget = limit, budget
        self._items: list[Item] = []
        self._size = 0
        self._ready, self._room = asyncio.Event(), asyncio.Event()

    async def put(self, items: Sequence[Item], size: int) -> None:
        """Add a batch of ``size`` bytes. Waits while it doesn't fit."""
        while self._items and (
            len(self._items) + len(items) > self._limit or self._size + size > self._budget
        ):
            self._room.clear()
            await self._room.wait()
        self._items.extend(items)
        self._size += size
        self._ready.set()

    async def take(self) -> list[Item]:
        """Everything that was put since, in order. Waits while there is nothing."""
        await self._ready.wait()
        return self.take_now()

    def take_now(self) -> list[Item]:
        """Like :meth:`take`, but returns an empty list instead of waiting."""
        items, self._items, self._size = self._items, [], 0
        self._ready.clear()
        self._room.set()
        return items
