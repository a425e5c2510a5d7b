"""Refresh schedules: five cron fields in UTC. Pure.

``croniter`` is what BullMQ's Python port computes each next run with, so what it accepts here also runs
there.
"""

import re
import time

from croniter import croniter  # type: ignore[import-untyped]

_FIELD = re.compile(r"[0-9A-Za-z*,/#?-]+")


def check_schedule(pattern: str) -> str:
    """``pattern`` with single spaces. Raises ``ValueError`` if it isn't cron, or never runs."""
    fields = pattern.split()
    if len(fields) != 5 or not all(_FIELD.fullmatch(field) for field in fields):
        raise ValueError("must be five cron fields (minute, hour, day, month, weekday) such as '0 * * * *'")
    try:
        croniter(" ".join(fields), time.time(), second_at_beginning=True).get_next()
    except ValueError as error:
        raise ValueError(f"isn't a cron schedule that ever runs: {error}") from error
    return " ".join(fields)
