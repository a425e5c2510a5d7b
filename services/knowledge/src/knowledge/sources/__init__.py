"""Sources: where a base's files come from. Each lists its files with content hashes, and reads one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, frozen=True)
class SourceFile:
    """A file at the source's commit. ``content_sha``: Git's blob hash (40 hex digits); ``size`` in bytes, 0
    where the source doesn't tell it. ``format``: an extension to read it by, when its path has none that
    fits."""

    path: str
    content_sha: str
    size: int
    format: str = ""

    @property
    def name(self) -> str:
        """The name that tells the format."""
        return f"document{self.format}" if self.format else self.path


class FileRefused(Exception):
    """One file will not be given to us (the page is gone, robots.txt forbids it): it has no text."""


class Source(Protocol):
    """A folder, a file, a repository or a website. Errors: ``TransientError`` for what may pass (network,
    rate limit), ``PermanentError`` for what needs a person (no such repository, not allowed)."""

    async def newest_commit(self) -> str:
        """40 hex digits that change when the content does: the newest commit that touches the path."""
        ...

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        """Every file below the path at ``commit``, before any selection. Paths are as the source has them;
        bytes that are no UTF-8 are surrogates (PEP 383)."""
        ...

    async def prepare(self, files: Sequence[SourceFile], commit: str) -> None:
        """Be told which files will be read: where one request can fetch them all, it is made now."""
        ...

    async def read(self, file: SourceFile, commit: str) -> bytes:
        """The content at ``commit``; its Git blob hash is ``file.content_sha``.

        Raises ``FileUnreadable``, and ``FileRefused`` for a file that is to have no text.
        """
        ...
