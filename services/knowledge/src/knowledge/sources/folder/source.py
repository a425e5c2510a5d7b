"""A folder (or one file) on this machine. Its commit is a digest of its paths and contents."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from common.errors import Forbidden, NotFound
from knowledge.documents import MAX_FILE_BYTES, FileUnreadable
from knowledge.sources import Findings, SourceFile
from knowledge.sources.folder.local_files import folder_at, folder_below, open_file, regular_files
from knowledge.sources.selection import Selection, digest_of, git_blob_sha


class FolderSource:
    """Only inside ``roots``, after the symbolic links of its own path are resolved. Hidden folders, and links
    inside, are skipped. A link that replaces a checked path isn't followed.

    Only files that ``selection`` takes are hashed, because a base of a few documents may lie in a large
    folder.
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
        self._folder = path  # resolved without links, once it is listed
        self._listed: list[SourceFile] | None = None

    async def newest_commit(self) -> str:
        self._listed = await asyncio.to_thread(self._list)
        return digest_of([(file.path, file.content_sha) for file in self._listed])

    async def list_files(self, commit: str) -> Sequence[SourceFile]:
        if self._listed is None:
            await self.newest_commit()
        return self._listed or []

    async def prepare(self, files: Sequence[SourceFile], commit: str) -> None:
        """Does nothing: the files are already here."""

    async def findings(self) -> Findings:
        return Findings()

    async def read(self, file: SourceFile, commit: str) -> bytes:
        try:
            content = await asyncio.to_thread(self._read, file.path)
        except OSError as error:
            raise FileUnreadable(f"{file.path}: {error.strerror or error}") from error
        if git_blob_sha(content) != file.content_sha:
            raise FileUnreadable(f"{file.path}: changed while it was being read")
        return content

    def _read(self, path: str) -> bytes:
        *folders, name = PurePosixPath(path).parts
        with (
            folder_at(self._folder) as folder,
            folder_below(folder, folders) as below,
            open_file(below, name) as opened,
        ):
            return opened.read(self._max_file_bytes + 1)

    def _list(self) -> list[SourceFile]:
        try:
            resolved = self._path.resolve()
            exists = resolved.exists()
        except (OSError, RuntimeError) as error:  # a name too long, links that lead in a circle
            raise NotFound(
                f"{self._path} can't be opened: {error}; what was indexed is kept", code="source_unreadable"
            ) from error
        if not any(resolved.is_relative_to(root.resolve()) for root in self._roots):
            raise Forbidden(
                f"{self._path} is not below a folder that LOCAL_SOURCES_ROOT or the settings file allow",
                code="source_not_allowed",
            )
        if not exists:
            raise NotFound(f"{self._path} does not exist; what was indexed is kept", code="source_not_found")
        try:
            if resolved.is_file():
                self._folder = resolved.parent
                with folder_at(self._folder) as folder:
                    return [self._describe(folder, resolved.name, resolved.name)]
            self._folder = resolved
            with folder_at(self._folder) as folder:
                return [
                    self._describe(below, parts[-1], path)
                    for parts, below in regular_files(folder)
                    if self._selection.takes(path := "/".join(parts))
                ]
        except OSError as error:
            raise NotFound(
                f"{self._path}: {error.filename}: {error.strerror}; what was indexed is kept",
                code="source_unreadable",
            ) from error

    def _describe(self, folder: int, name: str, path: str) -> SourceFile:
        """A file that can't be read is listed with a fixed hash, and fails alone when it is read."""
        try:
            with open_file(folder, name) as opened:
                size = os.fstat(opened.fileno()).st_size
                if size > self._max_file_bytes:
                    return SourceFile(path, git_blob_sha(f"size {size}".encode()), size)
                content = opened.read(self._max_file_bytes + 1)
        except OSError:
            return SourceFile(path, git_blob_sha(b"unreadable"), 0)
        return SourceFile(path, git_blob_sha(content), len(content))
