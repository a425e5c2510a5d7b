"""Filters: what they become, and what is refused with which words. That Postgres reads them as they are
meant is tested on it."""

from typing import Any

import pytest

from knowledge.search.filters import MAX_CHARACTERS, MAX_FIELDS, MAX_VALUES, compile_filter


def test_no_filter_is_no_predicate() -> None:
    assert compile_filter(None) is None
    assert compile_filter({}) is None


def test_a_filter_is_one_predicate_over_all_its_fields() -> None:
    assert compile_filter({"path": {"prefix": "docs/"}, "frontMatter.draft": False}) == (
        'exists($."sourceFile" ? (@ starts with "docs/")) && '
        'exists($."frontMatter"."draft" ? ((@ == false || @ == "false")))'
    )


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"author": "me"}, "isn't one of path, title"),
        ({"frontMatter.": "x"}, "isn't one of"),
        ({"frontMatter": "x"}, "isn't one of"),
        ({"path": {}}, "asks for nothing"),
        ({"path": {"like": "x"}}, "isn't one of eq, in, prefix"),
        ({"path": {"prefix": ""}}, "prefix takes a text"),
        ({"path": {"prefix": 1}}, "prefix takes a text"),
        ({"path": []}, "at least one value"),
        ({"path": {"in": "x"}}, "takes a list"),
        ({"path": {"eq": {"eq": "x"}}}, "takes texts, numbers"),
        ({"path": [["x"]]}, "takes texts, numbers"),
        ({"frontMatter.date": {"after": "yesterday"}}, "takes a date such as"),
        ({"frontMatter.date": {"before": "2026-13-01"}}, "takes a date such as"),
        ({"frontMatter.date": {"before": 2026}}, "takes a date such as"),
        ({"path": "x" * (MAX_CHARACTERS + 1)}, "at most 1,000 characters"),
        ({"frontMatter." + "x" * (MAX_CHARACTERS + 1): 1}, "isn't one of"),
        ({"path": ["x"] * (MAX_VALUES + 1)}, "at most 200 values"),
        ({f"metadata.{n}": ["x"] * 11 for n in range(MAX_FIELDS)}, "more than 200 values"),
        ({f"metadata.{n}": 1 for n in range(MAX_FIELDS + 1)}, "more than 20 fields"),
        ({"path": "a\x00"}, "U+0000"),
        ({"metadata.\x00": "a"}, "U+0000"),
        ({"path": "\ud800"}, "surrogate"),
        ({"metadata.n": float("nan")}, "NaN"),
        ({"metadata.n": 2**64}, "64 bits"),
    ],
)
def test_what_isnt_understood_is_refused(filters: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        compile_filter(filters)
    assert said in str(refused.value)
