"""How many entries to read at once. Brokers count entries, but memory is limited in bytes."""

from collections.abc import Iterator, Sequence

from backbone.events import RawEntry
from backbone.validation import Item

FIRST = 8
"""Entries of the first read, whatever their size. Each read that comes back full doubles the next."""


class Window:
    """The size of the next read, in entries (``count``): at most ``limit``, and about ``budget`` bytes.

    It grows only while earlier entries were small, so that the first read of a backlog of large entries is
    small. Copying returns the window itself, because FastStream copies its configuration.
    """

    def __init__(self, limit: int, budget: int) -> None:
        self._limit, self._budget = limit, budget
        self.count = min(FIRST, limit)

    def __deepcopy__(self, _: object) -> "Window":
        return self

    def saw(self, entries: Sequence[RawEntry]) -> int:
        """Learn from what a read returned. Returns its size in bytes."""
        size = sum(map(entry_bytes, entries))
        fitting = self._budget * len(entries) // max(1, size)
        self.count = max(1, min(self._limit, fitting, max(FIRST, 2 * len(entries))))
        return size


def entry_bytes(entry: RawEntry) -> int:
    """The size of an entry's values in bytes. Names and overhead are small in comparison when size
    matters."""
    return sum(map(len, entry[1].values()))


def split(items: Sequence[Item], budget: int) -> Iterator[Sequence[Item]]:
    """Consecutive parts of ``items``, each of at most ``budget`` bytes or a single item."""
    start = total = 0
    for i, item in enumerate(items):
        size = entry_bytes(item.entry)
        if total + size > budget and i > start:
            yield items[start:i]
            start, total = i, 0
        total += size
    if start < len(items):
        yield items[start:]
