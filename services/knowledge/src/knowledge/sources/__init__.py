"""Sources: where a base's files come from. Each lists its files with content hashes, and reads one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, frozen=True)
class SourceFile:
    """A file at the source's commit. ``content_sha``: Git's blob hash (40 hex digits); ``size`` in bytes."""

    path: str
    content_sha: str
    size: int


class FileUnreadable(Exception):
    """One file could not be fetched as it was listed. The message says why; the others are not affected."""


class Source(Protocol):
    """A folder, a file or a repository. Errors: ``TransientError`` for what may pass (network, rate limit),
    ``PermanentError`` for what needs a person (no such repository, not allowed)."""

    async def newest_commit(self) -> str:
        """40 hex digits that change when the content does: the newest commit that touches the path."""
        ...

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        """Every file below the path at ``commit``, before any selection."""
        ...

    async def read(self, file: SourceFile, commit: str) -> bytes:
        """The content at ``commit``; its Git blob hash is ``file.content_sha``. Raises ``FileUnreadable``."""
        ...
