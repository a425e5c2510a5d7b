"""Globs of a base: what they mean, and that none costs more than the length of a path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from knowledge.bases.wire import Globs
from knowledge.sources.selection import Selection

GLOB = st.lists(st.sampled_from(["a", "b", "/", ".", "?", "*", "**", "**/"]), max_size=8).map("".join)
PATH = st.text("ab./\n", max_size=10)


def matches(glob: str, path: str) -> bool:
    """The meaning of a glob, letter by letter."""
    if glob.startswith("**/"):
        rests = [path, *(path[i + 1 :] for i in range(1, len(path)) if path[i] == "/" and path[i - 1] != "/")]
        return any(matches(glob[3:], rest) for rest in rests if _whole_segments(path, rest))
    if glob.startswith("**"):
        return any(matches(glob[2:], path[i:]) for i in range(len(path) + 1))
    if glob.startswith("*"):
        segment = len(path.partition("/")[0])
        return any(matches(glob[1:], path[i:]) for i in range(segment + 1))
    if not glob or not path:
        return glob == path
    same = path[0] != "/" if glob[0] == "?" else path[0] == glob[0]
    return same and matches(glob[1:], path[1:])


def _whole_segments(path: str, rest: str) -> bool:
    """Whether what ``rest`` leaves out of ``path`` is segments with a name, each with its slash."""
    out = path[: len(path) - len(rest)]
    return not out or (out.endswith("/") and all(out[:-1].split("/")))


@given(GLOB, GLOB, PATH)
def test_a_glob_means_what_it_says(glob: str, other: str, path: str) -> None:
    globs = tuple(filter(None, (glob, other)))
    expected = any(matches(one, path) for one in globs)
    assert Selection((), globs).takes(path) == (expected or not globs)
    assert Selection((), (), globs).takes(path) == (not expected)


@pytest.mark.parametrize("piece", ["*a", "**a", "a**/", "?*", "**/*/"])
@pytest.mark.parametrize("name", ["a" * 4_000, "a/" * 2_000])
def test_no_glob_is_slow(piece: str, name: str) -> None:
    """A matcher that goes back tries more ways than there are atoms, and this test would never end."""
    assert not Selection((), (piece * 80 + "b",)).takes(name)
    assert Selection((), (piece * 80 + "b", "**")).takes(name)


def test_a_path_that_isnt_unicode_is_compared_too() -> None:
    assert Selection((), ("docs/*.md",)).takes("docs/caf\udce9.md")
    assert not Selection((), ("docs/*.txt",)).takes("docs/caf\udce9.md")
    assert Selection((), ("docs/?.md",)).takes("docs/é.md")


def test_globs_have_a_bound_in_all() -> None:
    globs = TypeAdapter(Globs)
    assert Selection((), tuple(globs.validate_python(["*?" * 250] * 20))).takes("a" * 250)
    with pytest.raises(ValidationError, match="at most 10,000 characters in all"):
        globs.validate_python(["*?" * 250] * 20 + ["a"])
