"""Which of a source's files belong to a base, and their hashes. Pure."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

import re2

_SHA1 = re.compile(r"[0-9a-f]{40}")
_MATCHER_BYTES = 32 << 20
"""Room for the largest automaton; twice what 10,000 characters of ``*`` and ``?`` take."""


class _Matcher(Protocol):
    """A compiled expression of RE2, which has no types of its own."""

    def fullmatch(self, text: bytes) -> object:
        """A match, or None."""


@dataclass(slots=True, frozen=True)
class Selection:
    """``extensions`` like ``.md`` (any case; empty: all); globs over whole paths, ``**`` for any depth."""

    extensions: tuple[str, ...] = (".md", ".txt")
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, path: str) -> bool:
        """Whether a file at this path belongs to the base. Excluding globs override including ones."""
        if self.extensions and not path.lower().endswith(tuple(e.lower() for e in self.extensions)):
            return False
        name = path.encode(errors="replace")
        if self.include and not _one_of(self.include).fullmatch(name):
            return False
        return not (self.exclude and _one_of(self.exclude).fullmatch(name))


def below(path: str, prefix: str) -> bool:
    """Whether ``path`` is ``prefix`` or lies inside it, by whole segments: ``docs`` isn't ``docs-old``."""
    return not prefix or path == prefix or path.startswith(f"{prefix}/")


def git_blob_sha(content: bytes) -> str:
    """What ``git hash-object`` prints for ``content``."""
    return hashlib.sha1(b"blob %d\x00" % len(content) + content, usedforsecurity=False).hexdigest()


def is_git_hash(text: object) -> bool:
    """Whether ``text`` is 40 hex digits, as in Git's SHA-1 names of commits, trees and files. Nothing else
    that a server sends as a name may become an argument, part of a URL, or a row."""
    return isinstance(text, str) and _SHA1.fullmatch(text) is not None


def digest_of(files: Sequence[tuple[str, str]]) -> str:
    """A commit for sources outside Git: SHA-1 (40 digits) over sorted paths and content hashes."""
    digest = hashlib.sha1(usedforsecurity=False)
    for path, content_sha in sorted(files):
        digest.update(f"{path}\x00{content_sha}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _one_of(patterns: tuple[str, ...]) -> _Matcher:
    """One automaton for all globs, so that a path is read once however many there are.

    RE2 and not ``re``: globs are a caller's, and ``*a*a*a*b`` on a path of 30 letters took ``re`` 19 s.
    """
    options = re2.Options()
    options.never_capture = options.dot_nl = True
    options.log_errors = False
    options.max_mem = _MATCHER_BYTES
    return cast(
        "_Matcher", re2.compile("|".join(map(_expression, patterns)).encode(errors="replace"), options)
    )


def _expression(glob: str) -> str:
    """``*`` and ``?`` stay within a segment; ``**/`` is any number of segments; a ``**`` at the end is
    anything."""
    out = ""
    i = 0
    while i < len(glob):
        if glob.startswith("**/", i):
            out, i = out + r"(?:[^/]+/)*", i + 3
        elif glob.startswith("**", i):
            out, i = out + r".*", i + 2
        elif glob[i] == "*":
            out, i = out + r"[^/]*", i + 1
        elif glob[i] == "?":
            out, i = out + r"[^/]", i + 1
        else:
            out, i = out + re2.escape(glob[i]), i + 1
    return out
