"""Times as existing clients expect them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from common.json_time import cut_time, json_time

MOMENT = datetime(2026, 11, 22, 12, 0, 0, 123_999, UTC)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (MOMENT, "2026-11-22T12:00:00.123Z"),
        (MOMENT.replace(microsecond=0), "2026-11-22T12:00:00.000Z"),
        (MOMENT.replace(microsecond=999), "2026-11-22T12:00:00.000Z"),
        (MOMENT.replace(microsecond=120_000), "2026-11-22T12:00:00.120Z"),
        (MOMENT.astimezone(timezone(timedelta(hours=5, minutes=45))), "2026-11-22T12:00:00.123Z"),
        (MOMENT.replace(year=70), "0070-11-22T12:00:00.123Z"),
    ],
)
def test_milliseconds_are_cut_off_and_the_time_is_in_utc(moment: datetime, text: str) -> None:
    assert json_time(moment) == text


def test_a_time_that_postgres_wrote_is_cut_alike() -> None:
    assert cut_time("2026-11-22T12:00:00.123999Z") == json_time(MOMENT)
    assert cut_time(None) is None
    assert json_time(None) is None
