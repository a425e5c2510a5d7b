"""Gives files names that a base can store, so that one odd name doesn't fail the other files."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from knowledge.sources import FileRefused, Findings, Source, SourceFile
from knowledge.sources.selection import Selection, git_blob_sha

MAX_PATH_BYTES = 1_400
"""The key of a file's row is base, version and path. A Postgres index takes 2,704 bytes of it; base and
version may be 255 and 50 characters of 4 bytes each."""

_SHOWN_CHARACTERS = 200


def problem_of(path: str) -> str:
    """Why ``path`` can't be stored; empty if it can."""
    if "\x00" in path:
        return "its name contains U+0000"
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "its name isn't UTF-8"
    return f"its name is longer than {MAX_PATH_BYTES:,} bytes" if size > MAX_PATH_BYTES else ""


def printable(path: str) -> str:
    """A text that stands for a path that can't be stored. Always the same for a path, and different for
    each."""
    shown = "".join(char if char.isprintable() else _escaped(char) for char in path[:_SHOWN_CHARACTERS])
    cut = "…" if len(path) > _SHOWN_CHARACTERS else ""
    return f"{shown}{cut} ({hashlib.sha256(path.encode('utf-8', 'surrogatepass')).hexdigest()[:12]})"


def _escaped(char: str) -> str:
    code = ord(char)
    # Python's representation of a byte that isn't UTF-8.
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else char.encode("unicode_escape").decode()


@dataclass(slots=True)
class CheckedPaths:
    """A source, restricted to ``selection``. A file whose path can't be stored is listed under a printable
    name, and refused when it is read."""

    source: Source
    selection: Selection
    _refused: dict[str, str] = field(default_factory=dict)

    async def newest_commit(self) -> str:
        return await self.source.newest_commit()

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        """The files that belong to the base, each path once."""
        files: dict[str, SourceFile] = {}
        refused: dict[str, SourceFile] = {}
        for file in await self.source.list_files(commit):
            if not self.selection.takes(file.path):
                continue
            if problem := problem_of(file.path):
                name = printable(file.path)
                refused[name] = SourceFile(name, git_blob_sha(f"refused: {problem}".encode()), 0)
                self._refused[name] = problem
            else:
                files.setdefault(file.path, file)
        return list({**refused, **files}.values())

    async def prepare(self, files: Sequence[SourceFile], commit: str) -> None:
        await self.source.prepare([file for file in files if file.path not in self._refused], commit)

    async def findings(self) -> Findings:
        return await self.source.findings()

    async def read(self, file: SourceFile, commit: str) -> bytes:
        if file.path in self._refused:
            raise FileRefused(self._refused[file.path])
        return await self.source.read(file, commit)
