"""Filters on the real Postgres: they find what they say, and whatever stands in them is only text."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowledge.search.filters import compile_filter
from tests.integration.knowledge.conftest import Harness
from tests.support.searching import search

FILES: dict[str, dict[str, Any]] = {
    "install": {
        "sourceFile": "docs/install.md",
        "chunkIndex": 0,
        "title": "Install",
        "headings": ["Install", "On Linux"],
        "frontMatter": {"date": "2026-01-05", "tags": ["setup", "linux"], "version": "3.10", "draft": "true"},
    },
    "upgrade": {
        "sourceFile": "docs/upgrade.md",
        "chunkIndex": 3,
        "title": "Upgrade",
        "headings": ["Upgrade"],
        "frontMatter": {"date": "2026-03-01T10:00:00Z", "tags": "setup", "version": 4, "draft": False},
    },
    "news": {
        "sourceFile": "blog/news.md",
        "chunkIndex": 1,
        "frontMatter": {"date": "last spring", "a.b": "x", 'q"uote': "y", "empty": None},
        "lang": "de",
    },
    "bare": {},
}
CASES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"install", "upgrade", "news", "bare"}),
    ({"path": "docs/install.md"}, {"install"}),
    ({"path": {"prefix": "docs/"}}, {"install", "upgrade"}),
    ({"path": {"prefix": "docs"}, "title": ["Upgrade", "News"]}, {"upgrade"}),
    ({"path": {"prefix": "docs/%"}}, set()),
    ({"heading": "On Linux"}, {"install"}),
    ({"heading": {"prefix": "On "}}, {"install"}),
    ({"position": 3}, {"upgrade"}),
    ({"position": [0, 1]}, {"install", "news"}),
    ({"frontMatter.tags": "setup"}, {"install", "upgrade"}),
    ({"frontMatter.tags": ["linux", "macos"]}, {"install"}),
    ({"frontMatter.version": 3.1}, set()),
    ({"frontMatter.version": "3.10"}, {"install"}),
    ({"frontMatter.version": 4}, {"upgrade"}),
    ({"frontMatter.draft": True}, {"install"}),
    ({"frontMatter.draft": False}, {"upgrade"}),
    ({"frontMatter.empty": None}, {"news"}),
    ({"frontMatter.date": {"after": "2026-01-05"}}, {"install", "upgrade"}),
    ({"frontMatter.date": {"after": "2026-01-06"}}, {"upgrade"}),
    ({"frontMatter.date": {"before": "2026-03-01"}}, {"install"}),
    ({"frontMatter.date": {"after": "2026-02-01", "before": "2026-03-02"}}, {"upgrade"}),
    ({"frontMatter.a.b": "x"}, {"news"}),
    ({'frontMatter.q"uote': "y"}, {"news"}),
    ({"metadata.lang": {"in": ["de", "fr"]}}, {"news"}),
]

SPECIAL = "\"\\'$@?()[]{}*.,;:|&!=<>~ \n\r\t\b\f\v/-+0aü\u202e\u2028\x7f\x1b\U0001f600"
HOSTILE = st.one_of(
    st.text(st.sampled_from(SPECIAL), min_size=1, max_size=40),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=40),
    st.sampled_from(
        [
            '") || (true',
            '"))||(1==1',
            "\\",
            '\\"',
            "\\u0041",
            "$.a",
            '" || @ like_regex ".*',
            "';--",
            "%s",
            "{0}",
        ]
    ),
)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def fits(
    connection: asyncpg.Connection,
    filters: dict[str, Any],
    metadata: dict[str, Any],
) -> bool:
    """As the search's statements ask it."""
    found = await connection.fetchval(
        "SELECT $2::jsonpath IS NULL OR $1::jsonb @@ $2::jsonpath",
        json.dumps(metadata),
        compile_filter(filters),
    )
    return bool(found)


async def test_filters_find_what_they_say(connection: asyncpg.Connection) -> None:
    for filters, expected in CASES:
        found = {name for name, metadata in FILES.items() if await fits(connection, filters, metadata)}
        assert found == expected, filters


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=HOSTILE, value=HOSTILE, other=HOSTILE)
async def test_hostile_text_is_compared_and_never_run(
    connection: asyncpg.Connection,
    name: str,
    value: str,
    other: str,
) -> None:
    """Each equals itself, begins with itself, and equals nothing else; in names and in values."""
    own = {"frontMatter": {name: value}, "sourceFile": value, name: value}
    fields = (f"frontMatter.{name}", "path")
    for field in fields:
        assert await fits(connection, {field: value}, own)
        assert await fits(connection, {field: [other, value]}, own)
        assert await fits(connection, {field: {"prefix": value}}, own)
        assert await fits(connection, {field: other}, own) == (other == value)
        assert await fits(connection, {field: {"prefix": other}}, own) == value.startswith(other)
    assert await fits(connection, {f"frontMatter.{other}": value}, own) == (other == name)
    assert not await fits(connection, {f"frontMatter.{name}": value}, {"frontMatter": {}})


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.one_of(
        st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False), st.booleans()
    )
)
async def test_every_number_equals_itself(
    connection: asyncpg.Connection,
    number: float,
) -> None:
    assert await fits(connection, {"metadata.n": number}, {"n": number})
    assert await fits(connection, {"metadata.n": number}, {"n": json.dumps(number)})
    assert not await fits(connection, {"metadata.n": number}, {"n": "x"})


async def test_a_search_finds_as_many_as_pass_the_filter_and_the_least_score(harness: Harness) -> None:
    await harness.sync()
    everything = await search(harness.pool, harness.embedder, "handbook", "green button", 50)
    deep = await search(
        harness.pool,
        harness.embedder,
        "handbook",
        "green button",
        50,
        filters={"path": {"prefix": "docs/deep/"}},
    )
    assert [hit.chunk for hit in deep] == [
        hit.chunk for hit in everything if hit.metadata["sourceFile"].startswith("docs/deep/")
    ]
    least = everything[1].score
    near = await search(harness.pool, harness.embedder, "handbook", "green button", 50, min_score=least)
    assert [hit.chunk for hit in near] == [hit.chunk for hit in everything if hit.score >= least]
