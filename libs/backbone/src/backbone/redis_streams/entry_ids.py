"""Ids of stream entries: their order, and the time at which an entry was added."""

import time
from datetime import UTC, datetime

LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999, the last that ``datetime`` can represent."""


def text(value: bytes | str) -> str:
    """A reply of Redis as text. Bytes that aren't UTF-8 are escaped."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def order(entry_id: str) -> tuple[int, int]:
    """A sort key that puts entries in the order of their ids."""
    milliseconds, _, counter = entry_id.partition("-")
    return int(milliseconds), int(counter or 0)


def moment_of(entry_id: str) -> datetime:
    """When an entry was added, according to its id. Times after the year 9999 are clamped."""
    return datetime.fromtimestamp(min(order(entry_id)[0], LAST_MILLISECOND) / 1000, UTC)


def age_of(entry_id: str) -> float:
    """Seconds since an entry was added, by its id and this machine's clock. Negative if the id is ahead."""
    return time.time() - order(entry_id)[0] / 1000
