"""How many entries to read at once: brokers count entries, memory counts bytes."""

from collections.abc import Iterator, Sequence

from backbone.events import RawEntry
from backbone.validation import Item

FIRST = 8
"""Entries of the first read, whatever their size; each read that comes back full doubles the next."""


class Window:
    """The size of the next read, in ``count`` entries: at most ``limit``, and about ``budget`` bytes.

    It opens only as far as what was read before was small, so that a backlog of large entries is met by a
    small read. Copies are the window itself: FastStream copies what it is configured with.
    """

    def __init__(self, limit: int, budget: int) -> None:
        self._limit, self._budget = limit, budget
        self.count = min(FIRST, limit)

    def __deepcopy__(self, _: object) -> "Window":
        return self

    def saw(self, entries: Sequence[RawEntry]) -> int:
        """Learn from what a read brought; how many bytes it was."""
        size = sum(map(entry_bytes, entries))
        fitting = self._budget * len(entries) // max(1, size)
        self.count = max(1, min(self._limit, fitting, max(FIRST, 2 * len(entries))))
        return size


def entry_bytes(entry: RawEntry) -> int:
    """What an entry's values take, in bytes; names and overhead are small beside them when that matters."""
    return sum(map(len, entry[1].values()))


def split(items: Sequence[Item], budget: int) -> Iterator[Sequence[Item]]:
    """Consecutive parts of ``items``, of at most ``budget`` bytes each, or of a single item."""
    start = total = 0
    for i, item in enumerate(items):
        size = entry_bytes(item.entry)
        if total + size > budget and i > start:
            yield items[start:i]
            start, total = i, 0
        total += size
    if start < len(items):
        yield items[start:]
