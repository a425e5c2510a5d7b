"""Times in the format that existing clients expect."""

from datetime import UTC, datetime
from typing import overload

import orjson

SQL_TIME = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
"""SQL of a time in RFC 3339, in UTC with microseconds. Where it is only passed on, this costs a fraction of
having a ``datetime`` made of it."""


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
    text = orjson.dumps(moment)  # "2026-11-22T12:00:00.123456+00:00", five times as fast as isoformat()
    return text[1:24].decode() + "Z" if moment.microsecond else text[1:20].decode() + ".000Z"


@overload
def cut_time(text: str) -> str: ...
@overload
def cut_time(text: str | None) -> str | None: ...
def cut_time(text: str | None) -> str | None:
    """:func:`json_time` of a time that Postgres wrote (:data:`SQL_TIME`)."""
    return None if text is None else text[:23] + "Z"
