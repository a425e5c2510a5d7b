"""Stores many ids in little memory."""

from collections.abc import Iterator
from uuid import UUID

_BYTES = 16


class PackedIds:
    """UUIDs in order, 16 bytes each, as ``string_agg(uuid_send(id), '' ORDER BY …)`` returns them.

    A list of objects would take ten times as much.
    """

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    def __len__(self) -> int:
        return len(self._packed) // _BYTES

    def part(self, start: int, count: int) -> list[UUID]:
        """Up to ``count`` ids, from position ``start`` on."""
        end = min(start + count, len(self))
        return [UUID(bytes=self._packed[i * _BYTES : (i + 1) * _BYTES]) for i in range(start, end)]

    def parts(self, count: int) -> Iterator[list[UUID]]:
        """All ids, ``count`` at a time."""
        for start in range(0, len(self), count):
            yield self.part(start, count)
