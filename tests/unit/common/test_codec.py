"""The one JSON encoder."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from asyncpg.pgproto import pgproto

from common import codec

TEXT = "0b0e7c1e-8a52-4b0c-9d52-3d5c1d3c9f10"


def test_uuids_of_python_and_of_asyncpg_are_text() -> None:
    assert codec.loads(codec.dumps([UUID(TEXT), pgproto.UUID(TEXT)])) == [TEXT, TEXT]


def test_times_are_utc() -> None:
    assert codec.dumps_str(datetime(2026, 11, 22, 12, tzinfo=UTC)) == '"2026-11-22T12:00:00Z"'


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError):
        codec.dumps({"a": object()})
    with pytest.raises(ValueError, match=r"NaN|expected"):
        codec.loads("NaN")


@pytest.mark.parametrize(
    ("raw", "held"),
    [(b'{"a": "\\u0000"}', True), (b'{"\\u0000": 1}', True), (b'{"a": "\\\\u0000"}', False), (b"[]", False)],
)
def test_nul_is_found_only_where_it_is(raw: bytes, held: bool) -> None:
    assert codec.json_has_nul(raw) is held


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ({}, 2),
        ([1e308], 2 + 309),
        ([1.5e300], 2 + 301),
        ([5e-324], 2 + 326),
        (["1e308", 'a"1e308'], len(b'["1e308","a\\"1e308"]')),
        ({"1e9": "\\"}, len(b'{"1e9":"\\\\"}')),
    ],
)
def test_stored_bytes_count_numbers_as_postgres_writes_them_or_a_little_more(
    value: object, stored: int
) -> None:
    assert 0 <= codec.stored_bytes(codec.dumps(value)) - stored <= 8
