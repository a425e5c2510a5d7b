"""Cursors: each leads back to its key, in its own list only."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from common.errors import Invalid
from servicekit.keysets import MAX_CURSOR, Keyset, Moment, Name, Place, _encode

ID = UUID("0f0e0d0c-0b0a-4009-8807-060504030201")
TIMED = Keyset("timed", tuple[Moment | None, UUID], order="desc")
PLACED = Keyset("placed", tuple[Place], order="asc")
NAMED = Keyset("named", tuple[Name], order="asc")


@pytest.mark.parametrize(
    ("keyset", "key"),
    [
        (TIMED, (datetime(2026, 11, 28, 12, 0, 0, 123_457, UTC), ID)),
        (TIMED, (datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), ID)),
        (TIMED, (datetime(1, 1, 1, tzinfo=UTC), ID)),
        (TIMED, (datetime.max.replace(tzinfo=UTC), ID)),
        (TIMED, (None, ID)),
        (PLACED, (0,)),
        (PLACED, (2**63 - 1,)),
        (NAMED, ("x",)),
        (NAMED, ("\U0001f44b" * 255,)),
    ],
)
def test_a_cursor_leads_back_to_its_key(keyset: Keyset[Any], key: tuple[Any, ...]) -> None:
    cursor = keyset.page(10, None, None, "alice").cursor(key)
    assert len(cursor) <= MAX_CURSOR
    assert cursor.isascii()
    assert not set("+/= ") & set(cursor)
    assert keyset.page(10, cursor, None, "alice").after == key


@pytest.mark.parametrize(
    ("keyset", "order", "asked"),
    [
        (TIMED, "asc", ("alice", None)),
        (TIMED, "desc", ("bob", None)),
        (TIMED, "desc", ("alice", "title")),
        (TIMED, "desc", ("alice",)),
        (Keyset("other", tuple[Moment | None, UUID], order="desc"), "desc", ("alice", None)),
        (PLACED, "desc", ("alice", None)),
    ],
)
def test_a_cursor_of_another_list_is_refused(keyset: Keyset[Any], order: Any, asked: tuple[Any, ...]) -> None:
    cursor = TIMED.page(10, None, "desc", "alice", None).cursor((None, ID))
    with pytest.raises(Invalid) as refused:
        keyset.page(10, cursor, order, *asked)
    assert list(refused.value.details or ()) == ["cursor"]


def test_a_damaged_cursor_is_refused_wherever_the_damage_is() -> None:
    cursor = TIMED.page(10, None, None, "alice").cursor((datetime.now(UTC), ID))
    damaged = [cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1 :] for i in range(len(cursor))]
    damaged += [cursor[:i] for i in range(len(cursor))]
    damaged += [
        cursor + "A",
        cursor + "=",
        f" {cursor}",
        "é",
        "\x00",
        "-",
        "null",
        urlsafe_b64encode(b"[]").decode(),
    ]
    for one in damaged:
        with pytest.raises(Invalid):
            TIMED.page(10, one, None, "alice")


@pytest.mark.parametrize(
    "key",
    [
        "",
        "{",
        "null",
        "[]",
        "[1]",
        '[1,"x"]',
        f'["1","{ID}"]',
        f'[1e300,"{ID}"]',
        f'[true,"{ID}",1]',
        f"[{10**18},2]",
    ],
)
def test_a_key_that_nobody_can_have_is_refused_even_with_its_checksum(key: str) -> None:
    seal = TIMED.page(1, None, None)._asked
    with pytest.raises(Invalid):
        TIMED.page(1, _encode(seal, key.encode()), None)


@pytest.mark.parametrize("key", [f"[{2**63}]", '["1"]', "[1.0]", "[null]"])
def test_a_place_fits_a_bigint(key: str) -> None:
    seal = PLACED.page(1, None, None)._asked
    with pytest.raises(Invalid):
        PLACED.page(1, _encode(seal, key.encode()), None)


def test_a_page_reads_one_row_more_than_it_has_in_bounded_parts() -> None:
    assert list(TIMED.page(100, None, None).sizes(50)) == [50, 50, 1]
    assert list(TIMED.page(3, None, None).sizes(50)) == [4]
    endless = TIMED.page(None, None, None).sizes(50)
    assert [next(endless) for _ in range(3)] == [50, 50, 50]


@pytest.mark.parametrize("hours", [-12, 0, 14])
def test_a_time_is_the_same_in_any_zone(hours: int) -> None:
    page = TIMED.page(1, None, None)
    moment = datetime(2026, 11, 28, 12, 0, 0, 999_999, UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))
    assert page.cursor((elsewhere, ID)) == page.cursor((moment, ID))
