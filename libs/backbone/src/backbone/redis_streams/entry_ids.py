"""Ids of stream entries: how they are ordered, and when an entry was added."""

import time
from datetime import UTC, datetime

LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999, which is the last that ``datetime`` can hold."""


def text(value: bytes | str) -> str:
    """What Redis answered, as text. Bytes that aren't UTF-8 are escaped."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def order(entry_id: str) -> tuple[int, int]:
    """A sort key: entries are in the order of their ids."""
    milliseconds, _, counter = entry_id.partition("-")
    return int(milliseconds), int(counter or 0)


def moment_of(entry_id: str) -> datetime:
    """When an entry was added, by its id. A moment after the year 9999 is cut off there."""
    return datetime.fromtimestamp(min(order(entry_id)[0], LAST_MILLISECOND) / 1000, UTC)


def age_of(entry_id: str) -> float:
    """Seconds since an entry was added, by its id and this machine's clock. Negative when the id is ahead."""
    return time.time() - order(entry_id)[0] / 1000
