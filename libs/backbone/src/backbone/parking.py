"""Parking: an entry that must be retried holds up only its own key.

A failed entry and every later entry of its key wait here by id. They stay pending in the group, so none is
lost with this process. Memory is bounded: only ids are kept, at most :data:`LIMIT`.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import Gauge

LIMIT = 20_000
"""Maximum parked ids (about 100 bytes each). Above it nothing more is read."""

PARKED = Gauge("takaro_stream_parked_entries", "Entries waiting for a retry of their key", ["stream"])


@dataclass(slots=True)
class Lot:
    """The waiting entries of one key, oldest first."""

    entry_ids: deque[str] = field(default_factory=deque)
    attempts: int = 0
    due: float = 0.0


class Parking:
    """Lots by key. Not thread-safe: use it from one event loop."""

    def __init__(self, stream: str) -> None:
        self._lots: dict[str, Lot] = {}
        self._size = 0
        self._gauge = PARKED.labels(stream)

    def __contains__(self, key: str) -> bool:
        return key in self._lots

    @property
    def full(self) -> bool:
        """Whether nothing more may be read."""
        return self._size >= LIMIT

    def ids(self) -> set[str]:
        """All parked ids."""
        return {entry_id for lot in self._lots.values() for entry_id in lot.entry_ids}

    def park(self, key: str, entry_ids: Sequence[str], *, delay: float) -> None:
        """Park ``key``. Its first entry is tried again after ``delay`` seconds."""
        lot = self._lots.setdefault(key, Lot())
        lot.entry_ids.extend(entry_ids)
        lot.due = time.monotonic() + delay
        self._resize(len(entry_ids))

    def follow(self, key: str, entry_id: str) -> None:
        """Park a later entry behind its predecessors."""
        self._lots[key].entry_ids.append(entry_id)
        self._resize(1)

    def postpone(self, key: str, delay: float) -> None:
        """Try the first entry of ``key`` again after ``delay`` seconds."""
        self._lots[key].due = time.monotonic() + delay

    def due(self) -> str | None:
        """A key whose retry is due, the longest overdue first."""
        if not self._lots:
            return None
        key, lot = min(self._lots.items(), key=lambda pair: pair[1].due)
        return key if lot.due <= time.monotonic() else None

    def lot(self, key: str) -> Lot:
        return self._lots[key]

    def settle(self, key: str, entry_id: str) -> None:
        """Remove ``entry_id``, the first entry of ``key``, which is done. An empty lot is removed too.

        Has no effect if it isn't the first any more: the lots were cleared while it was handled, and perhaps
        filled again.
        """
        lot = self._lots.get(key)
        if lot is None or lot.entry_ids[0] != entry_id:
            return
        lot.entry_ids.popleft()
        lot.attempts = 0
        if not lot.entry_ids:
            del self._lots[key]
        self._resize(-1)

    def clear(self) -> None:
        """Forget all lots: their entries stay pending."""
        self._lots.clear()
        self._resize(-self._size)

    def _resize(self, change: int) -> None:
        self._size += change
        self._gauge.set(self._size)
