"""JSON merge patch as RFC 7396 gives it, and the patch between two states."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.states.merge_patches import find_patch, is_same, merge_patch

# The test cases of RFC 7396, appendix A: original, patch, result.
RFC_7396: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)
json_objects = st.dictionaries(st.text(max_size=2), json_values, max_size=4)


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_the_cases_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


@given(json_objects, json_objects)
def test_a_patch_changes_neither_side_and_is_idempotent(target: Any, patch: Any) -> None:
    before = deepcopy((target, patch))
    once = merge_patch(target, patch)
    assert (target, patch) == before
    assert merge_patch(once, patch) == once


@given(json_objects)
def test_an_empty_patch_changes_nothing(target: Any) -> None:
    assert merge_patch(target, {}) == target


def test_a_patch_between_two_states_makes_one_of_the_other() -> None:
    before = {"kept": 1, "gone": 2, "deep": {"kept": [1], "gone": 1}, "typed": 1, "object": {"a": 1}}
    after = {"kept": 1, "deep": {"kept": [1], "new": {"a": 1}}, "typed": True, "object": [None]}
    patch = {"gone": None, "deep": {"gone": None, "new": {"a": 1}}, "typed": True, "object": [None]}
    assert find_patch(before, after) == patch


@pytest.mark.parametrize("after", [{"a": None}, {"a": {"b": None}}, {"new": {"deep": {"b": None}}}])
def test_no_patch_makes_a_member_null(after: Any) -> None:
    assert find_patch({"a": {"b": 1}}, after) is None


@given(json_objects, json_objects)
def test_a_patch_that_is_found_makes_the_other_state(before: Any, after: Any) -> None:
    patch = find_patch(before, after)
    assert patch is None or is_same(merge_patch(before, patch), after)


@given(json_objects)
def test_an_unchanged_state_has_an_empty_patch(state: Any) -> None:
    assert find_patch(state, deepcopy(state)) == {}
