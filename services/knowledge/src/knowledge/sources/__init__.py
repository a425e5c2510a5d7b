"""Sources: where a base's files come from. A source lists its files with content hashes, and reads single
files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True, frozen=True)
class SourceFile:
    """A file at the source's commit. ``content_sha``: Git's blob hash (40 hex digits). ``size`` in bytes, 0
    if the source doesn't report it. ``format``: an extension to read it by, if its path has no suitable one.
    """

    path: str
    content_sha: str
    size: int
    format: str = ""

    @property
    def name(self) -> str:
        """The name that decides the format."""
        return f"document{self.format}" if self.format else self.path


@dataclass(slots=True, frozen=True)
class Repository:
    """A repository as its server calls it now: ``<host>/<path>``, without ``.git``. ``id``: GitHub's number,
    which renaming and moving don't change; ``None`` if it isn't known."""

    name: str
    id: int | None = None


@dataclass(slots=True, frozen=True)
class Known:
    """What a base already has. Files at ``paths`` have rows. A file isn't read while its content has the hash
    that ``contents`` gives for its path. ``repository`` is the one that was last read. ``fresh``: nothing
    that a process remembers is believed."""

    paths: Collection[str] = frozenset()
    contents: Mapping[str, str] = field(default_factory=dict)
    repository: Repository | None = None
    fresh: bool = False


NOTHING_KNOWN = Known()


@dataclass(slots=True, frozen=True)
class Findings:
    """What a source has shown of itself, besides its files. ``notices``: what its people should know.
    ``repository``: the one that is read, if it is one."""

    notices: tuple[str, ...] = ()
    repository: Repository | None = None


class FileRefused(Exception):
    """The source refuses this file (the page is gone, robots.txt forbids it): it has no text."""


class Source(Protocol):
    """A folder, a file, a repository or a website. Raises ``TransientError`` for what may pass (network, rate
    limit), ``PermanentError`` for what needs a person (no such repository, not allowed)."""

    async def newest_commit(self) -> str:
        """40 hex digits that change with the content: the newest commit that touches the path."""
        ...

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        """Every file below the path at ``commit``, before any selection. Paths are the source's own; bytes
        that aren't UTF-8 are surrogates (PEP 383)."""
        ...

    async def prepare(self, files: Sequence[SourceFile], commit: str) -> None:
        """Announces which files will be read. A source that can fetch them all in one request does it now."""
        ...

    async def read(self, file: SourceFile, commit: str) -> bytes:
        """The content at ``commit``; its Git blob hash is ``file.content_sha``.

        Raises ``FileUnreadable``, and ``FileRefused`` for a file that has no text.
        """
        ...

    async def findings(self) -> Findings:
        """What was found when the newest commit was asked for."""
        ...
