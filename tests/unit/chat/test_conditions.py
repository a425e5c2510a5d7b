"""What If-Match, If-None-Match and expectedVersion say about a state's version (RFC 9110, section 13)."""

import pytest

from chat.states.conditions import check_condition
from chat.states.records import State
from common.errors import Invalid
from servicekit.conditions import (
    PreconditionFailed,
    VersionConflict,
    entity_tag,
    is_unchanged,
    read_condition,
)

AT_3 = State({"a": 1}, 3)


def allows(
    if_match: str | None = None, if_none_match: str | None = None, expected: int | None = None
) -> bool:
    """Whether the state at version 3 may be changed."""
    try:
        check_condition(read_condition(if_match, if_none_match, expected), AT_3)
    except VersionConflict:
        return False
    return True


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        (None, True),
        ("*", True),
        (" * ", True),
        ('"3"', True),
        (entity_tag(3), True),
        ('"2", "3"', True),
        ('"2","3"', True),
        (', "2" ,, "3" ,', True),
        ('"x", "with,comma", "3"', True),
        ('"2"', False),
        ('"03"', False),
        ('"x"', False),
        ('""', False),
        ('"with,comma"', False),
        ('"\u00e9\u00ff"', False),
        ('W/"3"', False),  # a weak tag never matches strongly
        ('W/"3", "3"', True),
    ],
)
def test_if_match_compares_strongly_and_by_every_character(header: str | None, allowed: bool) -> None:
    assert allows(if_match=header) is allowed


@pytest.mark.parametrize(
    ("header", "unchanged"),
    [(None, False), ("*", True), ('"3"', True), ('W/"3"', True), ('"2", W/"3"', True), ('"2"', False)],
)
def test_if_none_match_compares_weakly(header: str | None, unchanged: bool) -> None:
    assert is_unchanged(read_condition(None, header, None), 3) is unchanged
    assert allows(if_none_match=header) is not unchanged


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        ",",
        "3",
        "old",
        '"3" "5"',
        '"3',
        '3"',
        'w/"3"',
        "W/3",
        'W/ "3"',
        '"a b"',
        '"3", *',
        '*, "3"',
        "**",
    ],
)
@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
def test_what_is_no_list_of_entity_tags_is_invalid(name: str, header: str) -> None:
    is_match = name == "If-Match"
    with pytest.raises(Invalid) as refused:
        read_condition(header if is_match else None, None if is_match else header, None)
    assert list(refused.value.details or {}) == [name]


def test_a_lost_race_says_what_there_is() -> None:
    for if_match, if_none_match, expected, status in (
        ('"2"', None, 2, 412),
        (None, '"3"', 3, 412),
        ('"3"', None, 2, 409),
    ):
        with pytest.raises(VersionConflict) as lost:
            check_condition(read_condition(if_match, if_none_match, expected), AT_3)
        assert (lost.value.status, lost.value.code) == (status, "version_conflict")
        assert lost.value.fields == {"data": {"state": {"a": 1}, "version": 3}}
        assert lost.value.headers == {"ETag": '"3"'}
    assert issubclass(PreconditionFailed, VersionConflict)
