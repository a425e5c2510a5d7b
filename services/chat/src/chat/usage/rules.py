"""Which days usage can be asked for. No I/O."""

from datetime import UTC, date, datetime

from chat.usage.records import Days
from common.errors import Invalid

MAX_DAYS = 366
MAX_ROWS = 10_000
"""Rows of one answer."""


def days_of(first: date | None, last: date | None) -> Days:
    """The days that are asked for. By default up to today, from the first day of that month.

    Raises :class:`Invalid` for days in the wrong order, and for more than :data:`MAX_DAYS`.
    """
    last = last or datetime.now(UTC).date()
    first = first or last.replace(day=1)
    if first > last:
        raise Invalid("Validation failed", details={"from": ["is after `to`"]})
    if (last - first).days >= MAX_DAYS:
        raise Invalid("Validation failed", details={"from": [f"at most {MAX_DAYS} days at once"]})
    return Days(first, last)


def too_many() -> Invalid:
    """The error for days whose usage doesn't fit one answer."""
    return Invalid("Validation failed", details={"from": [f"over {MAX_ROWS} rows: ask for fewer days"]})
