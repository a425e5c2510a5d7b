"""Which of a source's files belong to a base, and their hashes. Pure."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_SHA1 = re.compile(r"[0-9a-f]{40}")


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
        if self.include and not any(_glob(pattern).fullmatch(path) for pattern in self.include):
            return False
        return not any(_glob(pattern).fullmatch(path) for pattern in self.exclude)


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


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` stay within a segment; ``**/`` is any number of segments; a ``**`` at the end is
    anything."""
    out = ""
    i = 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out, i = out + r"(?:[^/]+/)*", i + 3
        elif pattern.startswith("**", i):
            out, i = out + r".*", i + 2
        elif pattern[i] == "*":
            out, i = out + r"[^/]*", i + 1
        elif pattern[i] == "?":
            out, i = out + r"[^/]", i + 1
        else:
            out, i = out + re.escape(pattern[i]), i + 1
    return re.compile(out, re.DOTALL)
