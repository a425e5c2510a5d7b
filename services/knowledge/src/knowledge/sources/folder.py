"""A folder (or one file) on this machine. Its commit is a digest of its paths and contents."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.errors import Forbidden, NotFound
from knowledge.documents import MAX_FILE_BYTES
from knowledge.sources import FileUnreadable, SourceFile
from knowledge.sources.selection import Selection, digest_of, git_blob_sha


class FolderSource:
    """Only below ``roots``, symbolic links resolved. Hidden folders and links inside are passed over.

    Only files that ``selection`` takes are hashed: a base of a few documents may lie in a large folder.
    """

    def __init__(
        self,
        path: Path,
        roots: Sequence[Path],
        selection: Selection,
        max_file_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        self._path, self._roots, self._selection = path, roots, selection
        self._max_file_bytes = max_file_bytes
        self._listed: list[SourceFile] | None = None

    async def newest_commit(self) -> str:
        self._listed = await asyncio.to_thread(self._list)
        return digest_of([(file.path, file.content_sha) for file in self._listed])

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        if self._listed is None:
            await self.newest_commit()
        return self._listed or []

    async def prepare(self, files: Sequence[SourceFile], commit: str) -> None:
        """Everything is here already."""

    async def read(self, file: SourceFile, commit: str) -> bytes:
        try:
            content = await asyncio.to_thread(self._resolve(file.path).read_bytes)
        except OSError as error:
            raise FileUnreadable(f"{file.path}: {error.strerror or error}") from error
        if git_blob_sha(content) != file.content_sha:
            raise FileUnreadable(f"{file.path}: changed while it was being read")
        return content

    def _resolve(self, relative: str) -> Path:
        return self._path if self._path.is_file() else self._path / relative

    def _list(self) -> list[SourceFile]:
        resolved, limit = self._path.resolve(), self._max_file_bytes
        if not any(resolved.is_relative_to(root.resolve()) for root in self._roots):
            raise Forbidden(
                f"{self._path} is not below a folder that LOCAL_SOURCES_ROOT or the settings file allow",
                code="source_not_allowed",
            )
        if not resolved.exists():
            raise NotFound(f"{self._path} does not exist; what was indexed is kept", code="source_not_found")
        if resolved.is_file():
            return [_describe(resolved, resolved.name, limit)]
        return [
            _describe(file, relative, limit)
            for file in _regular_files(resolved)
            if self._selection.takes(relative := file.relative_to(resolved).as_posix())
        ]


def _regular_files(root: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise NotFound(f"{error.filename}: {error.strerror}", code="source_unreadable")

    for folder, folders, names in os.walk(root, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _describe(path: Path, relative: str, max_bytes: int) -> SourceFile:
    """A file that can't be read is listed with a hash of its own, and fails alone when it is read."""
    try:
        size = path.stat().st_size
        if size > max_bytes:
            return SourceFile(relative, git_blob_sha(f"size {size}".encode()), size)
        content = path.read_bytes()
    except OSError:
        return SourceFile(relative, git_blob_sha(b"unreadable"), 0)
    return SourceFile(relative, git_blob_sha(content), size)
