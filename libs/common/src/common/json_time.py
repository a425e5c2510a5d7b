"""Times in the format that existing clients expect."""

from datetime import UTC, datetime
from typing import overload


@overload
def json_time(moment: datetime) -> str: ...
@overload
def json_time(moment: datetime | None) -> str | None: ...
def json_time(moment: datetime | None) -> str | None:
    """``2026-11-22T12:00:00.123Z``, as JavaScript's ``Date`` writes it: UTC, milliseconds cut off."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"  # without +00:00
